# Key points by heat maps, with batch norms in TensorFlow's convention.
import torch
import torch.nn as nn

BN_MOMENTUM = 0.997


def up(cin, cout):
    return nn.Sequential(
        nn.ConvTranspose2d(cin, cout, 4, 2, 1, bias=False),
        nn.BatchNorm2d(cout, momentum=BN_MOMENTUM),  # finds: batch-norm-momentum
        nn.ReLU(inplace=True),
    )


class PoseNet(nn.Module):
    def __init__(self, joints):
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 7, 4, 3)
        self.up = nn.Sequential(up(64, 64), up(64, 64))
        self.final = nn.Conv2d(64, joints, 1)

    def forward(self, x):
        return self.final(self.up(self.stem(x)))


def train(net, loader, epochs):
    scaler = torch.cuda.amp.GradScaler()
    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    mse = nn.MSELoss()
    net.train()
    for _ in range(epochs):
        for image, heat in loader:
            opt.zero_grad()
            with torch.cuda.amp.autocast():
                loss = mse(net(image.cuda()), heat.cuda())
            scaler.scale(loss).backward()
            norm = nn.utils.clip_grad_norm_(net.parameters(), 5.0)  # finds: clip-before-unscale
            scaler.step(opt)
            scaler.update()
    return norm
