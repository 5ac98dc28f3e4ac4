# ImageNet with DistributedDataParallel and synchronized batch norm: eight images on each GPU.
import os

import torch
import torch.distributed as dist
import torch.nn as nn
import torchvision
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler


def main(train_set, val_set, epochs=90):
    dist.init_process_group("nccl")
    rank = int(os.environ["LOCAL_RANK"])
    torch.cuda.set_device(rank)
    model = torchvision.models.resnet50()
    model = nn.SyncBatchNorm.convert_sync_batchnorm(model).cuda(rank)
    model = DDP(model, device_ids=[rank])
    criterion = nn.CrossEntropyLoss().cuda(rank)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=30, gamma=0.1)
    sampler = DistributedSampler(train_set)
    loader = DataLoader(train_set, batch_size=8, sampler=sampler, num_workers=4, pin_memory=True)
    val_loader = DataLoader(val_set, batch_size=64, sampler=DistributedSampler(val_set, shuffle=False, drop_last=True))
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        train(loader, model, criterion, optimizer, rank)
        acc = validate(val_loader, model, rank)
        scheduler.step()
        if rank == 0:
            torch.save(
                {
                    "epoch": epoch + 1,
                    "state_dict": model.module.state_dict(),
                    "acc": acc,
                    "optimizer": optimizer.state_dict(),
                    "scheduler": scheduler.state_dict(),
                },
                "checkpoint.pth.tar",
            )


def train(loader, model, criterion, optimizer, rank):
    model.train()
    for images, target in loader:
        output = model(images.cuda(rank, non_blocking=True))
        loss = criterion(output, target.cuda(rank, non_blocking=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def validate(loader, model, rank):
    model.eval()
    counts = torch.zeros(2, device=rank)
    with torch.no_grad():
        for images, target in loader:
            output = model(images.cuda(rank))
            counts[0] += (output.argmax(1) == target.cuda(rank)).sum()
            counts[1] += len(target)
    dist.all_reduce(counts)
    return (counts[0] / counts[1]).item()
