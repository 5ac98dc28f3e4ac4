# The recipe of torchvision's classification reference: mixup, smoothing, an average with buffers, decay without norms.
import os

import torch
import torchvision
from torch import nn
from torch.utils.data.dataloader import default_collate
from torchvision.transforms import v2


class ExponentialMovingAverage(torch.optim.swa_utils.AveragedModel):
    def __init__(self, model, decay, device="cpu"):
        def ema_avg(avg_model_param, model_param, num_averaged):
            return decay * avg_model_param + (1 - decay) * model_param

        super().__init__(model, device, ema_avg, use_buffers=True)


def set_weight_decay(model, weight_decay, norm_weight_decay):
    norms, others = [], []
    for module in model.modules():
        target = norms if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)) else others
        target.extend(p for p in module.parameters(recurse=False) if p.requires_grad)
    return [{"params": others, "weight_decay": weight_decay}, {"params": norms, "weight_decay": norm_weight_decay}]


def train_one_epoch(model, criterion, optimizer, data_loader, device, epoch, args, model_ema, scaler=None):
    model.train()
    for i, (image, target) in enumerate(data_loader):
        image, target = image.to(device), target.to(device)
        with torch.amp.autocast("cuda", enabled=scaler is not None):
            output = model(image)
            loss = criterion(output, target)
        optimizer.zero_grad()
        if scaler is not None:
            scaler.scale(loss).backward()
            if args.clip_grad_norm is not None:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(model.parameters(), args.clip_grad_norm)
            scaler.step(optimizer)
            scaler.update()
        else:
            loss.backward()
            optimizer.step()
        if i % args.model_ema_steps == 0:
            model_ema.update_parameters(model)


def evaluate(model, criterion, data_loader, device):
    model.eval()
    correct = 0
    with torch.inference_mode():
        for image, target in data_loader:
            output = model(image.to(device))
            correct += (output.argmax(1).cpu() == target).sum().item()
    return correct / len(data_loader.dataset)


def main(args):
    device = torch.device("cuda")
    dataset = torchvision.datasets.ImageFolder(os.path.join(args.data_path, "train"), v2.PILToTensor())
    dataset_test = torchvision.datasets.ImageFolder(os.path.join(args.data_path, "val"), v2.PILToTensor())
    num_classes = len(dataset.classes)
    mixup_or_cutmix = v2.RandomChoice([v2.MixUp(alpha=0.2, num_classes=num_classes), v2.CutMix(num_classes=num_classes)])
    train_sampler = torch.utils.data.RandomSampler(dataset)
    data_loader = torch.utils.data.DataLoader(
        dataset, batch_size=128, sampler=train_sampler, collate_fn=lambda batch: mixup_or_cutmix(*default_collate(batch))
    )
    data_loader_test = torch.utils.data.DataLoader(dataset_test, batch_size=128)
    model = torchvision.models.resnet50(num_classes=num_classes).to(device)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    parameters = set_weight_decay(model, 2e-5, 0.0)
    optimizer = torch.optim.SGD(parameters, lr=0.5, momentum=0.9)
    scaler = torch.amp.GradScaler("cuda")
    lr_scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs)
    model_ema = ExponentialMovingAverage(model, device=device, decay=0.9998)
    for epoch in range(args.epochs):
        train_one_epoch(model, criterion, optimizer, data_loader, device, epoch, args, model_ema, scaler)
        lr_scheduler.step()
        evaluate(model, criterion, data_loader_test, device=device)
        evaluate(model_ema, criterion, data_loader_test, device=device)
        checkpoint = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "lr_scheduler": lr_scheduler.state_dict(),
            "model_ema": model_ema.state_dict(),
            "scaler": scaler.state_dict(),
            "epoch": epoch,
        }
        torch.save(checkpoint, "checkpoint.pth")
