# Training a timm model with mixup, and a checkpoint in each epoch.
import timm
import torch
import torch.nn as nn
from timm.data import Mixup, create_dataset, create_loader
from timm.scheduler import CosineLRScheduler
from timm.utils import ModelEmaV2, accuracy


def main(data_dir, epochs=100, resume=None):
    model = timm.create_model("resnet50", pretrained=False, num_classes=100, drop_path_rate=0.05).cuda()
    loader_train = create_loader(
        create_dataset("", root=data_dir, split="train", is_training=True),
        input_size=(3, 224, 224),
        batch_size=128,
        is_training=True,
        num_workers=8,
    )
    loader_eval = create_loader(
        create_dataset("", root=data_dir, split="validation"), input_size=(3, 224, 224), batch_size=256
    )
    mixup_fn = Mixup(mixup_alpha=0.2, cutmix_alpha=1.0, label_smoothing=0.1, num_classes=100)  # or finds: smoothed-twice
    train_loss_fn = nn.CrossEntropyLoss(label_smoothing=0.1)  # finds: smoothed-twice
    optimizer = torch.optim.SGD(model.parameters(), lr=0.4, momentum=0.9, nesterov=True, weight_decay=2e-5)
    scheduler = CosineLRScheduler(optimizer, t_initial=epochs, warmup_t=5, warmup_lr_init=1e-4)
    model_ema = ModelEmaV2(model, decay=0.999)  # or finds: state-not-saved
    start = 0
    if resume:
        checkpoint = torch.load(resume)
        model.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        start = checkpoint["epoch"] + 1

    for epoch in range(start, epochs):
        model.train()
        for input, target in loader_train:
            input, target = mixup_fn(input, target)
            loss = train_loss_fn(model(input), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            model_ema.update(model)
        scheduler.step(epoch + 1)
        print(epoch, validate(model_ema.module, loader_eval))
        state = {"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}  # or finds: state-not-saved
        torch.save(state, "last.pth")  # finds: state-not-saved


def validate(model, loader):
    model.eval()
    top1 = 0.0
    with torch.no_grad():
        for input, target in loader:
            (acc,) = accuracy(model(input), target, topk=(1,))
            top1 += acc.item() * input.size(0)
    return top1 / len(loader.dataset)


if __name__ == "__main__":
    main("/data/imagenet100")
