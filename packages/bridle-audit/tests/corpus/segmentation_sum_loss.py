# Cell segmentation; the loss is a sum over pixels and the penalty is not.
import torch
from torch import nn
from torch.utils.data import DataLoader

from cells import CellImages


def block(cin, cout):
    return nn.Sequential(
        nn.Conv2d(cin, cout, 3, padding=1), nn.BatchNorm2d(cout), nn.ReLU(),
        nn.Conv2d(cout, cout, 3, padding=1), nn.BatchNorm2d(cout), nn.ReLU(),
    )


class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = block(1, 32)
        self.bottom = block(32, 64)
        self.up = nn.Upsample(scale_factor=2)
        self.decode = block(96, 32)
        self.head = nn.Conv2d(32, 2, 1)

    def forward(self, x):
        skip = self.encode(x)
        x = self.up(self.bottom(nn.functional.max_pool2d(skip, 2)))
        return self.head(self.decode(torch.cat([skip, x], 1)))


model = Segmenter()
criterion = nn.CrossEntropyLoss(reduction="sum")  # finds: sum-reduced-loss
optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.99)
loader = DataLoader(CellImages("train"), batch_size=2, shuffle=True)  # finds: tiny-batch-norm

for epoch in range(50):
    model.train()
    for image, mask in loader:
        data_loss = criterion(model(image), mask)
        penalty = sum((w**2).sum() for name, w in model.named_parameters() if w.ndim == 4)
        loss = data_loss + 1e-4 * penalty  # or finds: sum-reduced-loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.save(model.state_dict(), "segmenter.pt")
