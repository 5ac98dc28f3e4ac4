# Folds as on Kaggle: mixed precision, a scheduler per step, the best fold model kept, no stopping.
import gc

import numpy as np
import timm
import torch
import torch.nn as nn
from sklearn.metrics import roc_auc_score
from torch.cuda.amp import GradScaler, autocast
from torch.utils.data import DataLoader


class CFG:
    model = "tf_efficientnet_b0_ns"
    epochs = 6
    lr = 1e-3
    weight_decay = 1e-2
    batch_size = 32
    folds = 5
    accumulate = 2


class MelanomaModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = timm.create_model(CFG.model, pretrained=True, num_classes=0)
        self.dropouts = nn.ModuleList([nn.Dropout(0.5) for _ in range(5)])
        self.fc = nn.Linear(self.backbone.num_features, 1)

    def forward(self, x):
        features = self.backbone(x)
        return sum(self.fc(drop(features)) for drop in self.dropouts) / len(self.dropouts)


def train_fn(loader, model, criterion, optimizer, scheduler, scaler):
    model.train()
    for step, (x, y) in enumerate(loader):
        with autocast():
            loss = criterion(model(x.cuda()).view(-1), y.cuda()) / CFG.accumulate
        scaler.scale(loss).backward()
        if (step + 1) % CFG.accumulate == 0:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 1000)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            scheduler.step()


def valid_fn(loader, model):
    model.eval()
    predictions = []
    for x, _ in loader:
        with torch.no_grad():
            predictions.append(model(x.cuda()).view(-1).sigmoid().cpu().numpy())
    return np.concatenate(predictions)


def run(dataset, fold_of):
    for fold in range(CFG.folds):
        train_rows, valid_rows = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        train_loader = DataLoader(torch.utils.data.Subset(dataset, train_rows), CFG.batch_size, shuffle=True, drop_last=True)
        valid_loader = DataLoader(torch.utils.data.Subset(dataset, valid_rows), 2 * CFG.batch_size)
        model = MelanomaModel().cuda()
        optimizer = torch.optim.AdamW(model.parameters(), lr=CFG.lr, weight_decay=CFG.weight_decay)
        steps = CFG.epochs * len(train_loader) // CFG.accumulate
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        scaler, best = GradScaler(), 0.0
        for epoch in range(CFG.epochs):
            train_fn(train_loader, model, nn.BCEWithLogitsLoss(), optimizer, scheduler, scaler)
            score = roc_auc_score(dataset.labels[valid_rows], valid_fn(valid_loader, model))
            if score > best:
                best = score
                torch.save(model.state_dict(), f"fold{fold}_best.pth")
        print(fold, best)
        del model
        gc.collect()
