# A timm-style script: mixup that smooths, a soft loss for training and a plain one for validation.
import timm
import torch
import torch.nn as nn
from timm.data import Mixup, create_dataset, create_loader
from timm.loss import SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import AverageMeter, ModelEmaV3, NativeScaler, accuracy


def train_one_epoch(epoch, model, loader, optimizer, loss_fn, mixup_fn, loss_scaler, model_ema):
    model.train()
    losses = AverageMeter()
    for batch_idx, (input, target) in enumerate(loader):
        input, target = mixup_fn(input, target)
        with torch.autocast("cuda"):
            loss = loss_fn(model(input), target)
        optimizer.zero_grad()
        loss_scaler(loss, optimizer, clip_grad=1.0, clip_mode="norm", parameters=model.parameters())
        model_ema.update(model, step=epoch * len(loader) + batch_idx)
        losses.update(loss.item(), input.size(0))
    return losses.avg


def validate(model, loader, loss_fn):
    losses, top1 = AverageMeter(), AverageMeter()
    model.eval()
    with torch.no_grad():
        for input, target in loader:
            output = model(input)
            losses.update(loss_fn(output, target).item(), input.size(0))
            top1.update(accuracy(output, target)[0].item(), input.size(0))
    return losses.avg, top1.avg


def main():
    model = timm.create_model("vit_small_patch16_224", num_classes=1000, drop_path_rate=0.1).cuda()
    loader_train = create_loader(
        create_dataset("", root="/data", split="train", is_training=True), (3, 224, 224), 256, is_training=True
    )
    loader_eval = create_loader(create_dataset("", root="/data", split="validation"), (3, 224, 224), 256)
    optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05)
    scheduler, num_epochs = create_scheduler_v2(optimizer, sched="cosine", num_epochs=300, warmup_epochs=20)
    mixup_fn = Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, label_smoothing=0.1, num_classes=1000)
    train_loss_fn = SoftTargetCrossEntropy()
    validate_loss_fn = nn.CrossEntropyLoss()
    model_ema = ModelEmaV3(model, decay=0.9998, use_warmup=True)
    loss_scaler = NativeScaler()
    for epoch in range(num_epochs):
        train_one_epoch(epoch, model, loader_train, optimizer, train_loss_fn, mixup_fn, loss_scaler, model_ema)
        print(epoch, validate(model, loader_eval, validate_loss_fn), validate(model_ema.module, loader_eval, validate_loss_fn))
        scheduler.step(epoch + 1)


if __name__ == "__main__":
    main()
