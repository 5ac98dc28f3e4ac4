# Composer's decoupled optimizer with the strength that one writes for torch's.
import torch.nn.functional as F
from composer import ComposerModel, Trainer
from composer.optim import CosineAnnealingWithWarmupScheduler, DecoupledAdamW
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


class Mixer(nn.Module):
    def __init__(self, patches=49, dim=128, depth=4, classes=10):
        super().__init__()
        self.embed = nn.Conv2d(1, dim, 4, stride=4)
        self.tokens = nn.ModuleList(
            [nn.Sequential(nn.LayerNorm(patches), nn.Linear(patches, patches), nn.GELU()) for _ in range(depth)]
        )
        self.channels = nn.ModuleList(
            [nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim), nn.GELU()) for _ in range(depth)]
        )
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.embed(x).flatten(2)
        for tokens, channels in zip(self.tokens, self.channels):
            x = x + tokens(x)
            x = x + channels(x.transpose(1, 2)).transpose(1, 2)
        return self.head(x.mean(dim=2))


class MixerClassifier(ComposerModel):
    def __init__(self):
        super().__init__()
        self.net = Mixer()

    def forward(self, batch):
        return self.net(batch[0])

    def loss(self, outputs, batch):
        return F.cross_entropy(outputs, batch[1])


model = MixerClassifier()
optimizer = DecoupledAdamW(model.parameters(), lr=1e-3, weight_decay=0.05)  # finds: decay-unit-slip
train_set = datasets.MNIST("data", train=True, download=True, transform=transforms.ToTensor())
trainer = Trainer(
    model=model,
    train_dataloader=DataLoader(train_set, batch_size=256, shuffle=True),
    optimizers=optimizer,
    schedulers=CosineAnnealingWithWarmupScheduler(t_warmup="200ba"),
    max_duration="20ep",
)
trainer.fit()
