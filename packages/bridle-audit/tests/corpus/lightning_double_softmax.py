# An image classifier as a LightningModule, for classes of unequal size.
import lightning as L
import torch
import torch.nn.functional as F
from torch import nn
from torchmetrics.classification import MulticlassAccuracy


class Classifier(L.LightningModule):
    def __init__(self, class_counts, lr=3e-4):
        super().__init__()
        self.save_hyperparameters()
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(64, len(class_counts))
        weight = 1.0 / torch.tensor(class_counts, dtype=torch.float)
        self.criterion = nn.CrossEntropyLoss(weight=weight, label_smoothing=0.1)  # finds: smoothing-with-class-weights
        self.accuracy = MulticlassAccuracy(num_classes=len(class_counts))

    def forward(self, x):
        x = self.features(x)
        return F.softmax(self.head(x), dim=1)  # finds: softmax-before-cross-entropy

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = self.criterion(self(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.accuracy(self(x), y)
        self.log("val_acc", self.accuracy, prog_bar=True)

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr, weight_decay=0.05)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.trainer.max_epochs)
        return [optimizer], [scheduler]


def main(datamodule):
    model = Classifier(class_counts=[5000, 1200, 300, 80])
    trainer = L.Trainer(max_epochs=30, accelerator="auto", precision="16-mixed")
    trainer.fit(model, datamodule=datamodule)
