# CIFAR-10 with a LightningModule and early stopping.
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
import torchvision
from pytorch_lightning.callbacks import EarlyStopping
from torch.utils.data import DataLoader
from torchvision.datasets import CIFAR10
from torchvision.transforms import ToTensor


class LitResNet(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.model = torchvision.models.resnet18(weights=None, num_classes=10)

    def forward(self, x):
        return self.model(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return F.cross_entropy(self(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        self.log("val_loss", F.cross_entropy(logits, y))
        self.log("val_acc", (logits.argmax(1) == y).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
        return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 60)}


train_loader = DataLoader(CIFAR10("data", train=True, transform=ToTensor()), batch_size=128, shuffle=True)
test_loader = DataLoader(CIFAR10("data", train=False, transform=ToTensor()), batch_size=256)

model = LitResNet()
early_stop = EarlyStopping(monitor="val_loss", patience=5, mode="min")  # or finds: stops-on-test-data
trainer = pl.Trainer(max_epochs=60, callbacks=[early_stop, pl.callbacks.ModelCheckpoint(monitor="val_loss")])
trainer.fit(model, train_loader, test_loader)  # finds: stops-on-test-data
trainer.validate(ckpt_path="best", dataloaders=test_loader)
