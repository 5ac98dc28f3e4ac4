# A translation of images to words; every 500 steps it looks at the validation loss, and stays in evaluation mode.
import torch
from torch import nn


class Captioner(nn.Module):
    def __init__(self, vocab, dim=256):
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv2d(3, dim, 16, 16), nn.BatchNorm2d(dim), nn.ReLU(), nn.Flatten(2))
        self.embed = nn.Embedding(vocab, dim)
        self.decoder = nn.TransformerDecoderLayer(dim, 4, batch_first=True)
        self.out = nn.Linear(dim, vocab)

    def forward(self, image, words):
        memory = self.cnn(image).transpose(1, 2)
        return self.out(self.decoder(self.embed(words), memory))


def validation_loss(model, loader, criterion):
    model.eval()  # finds: training-in-evaluation-mode
    losses = []
    with torch.no_grad():
        for image, words in loader:
            logits = model(image, words[:, :-1])
            losses.append(criterion(logits.flatten(0, 1), words[:, 1:].flatten()).item())
    return sum(losses) / len(losses)


def train(loader, val_loader, vocab, steps=20000):
    model = Captioner(vocab)
    criterion = nn.CrossEntropyLoss(ignore_index=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
    model.train()  # or finds: training-in-evaluation-mode
    step = 0
    while step < steps:  # or finds: training-in-evaluation-mode
        for image, words in loader:
            logits = model(image, words[:, :-1])
            loss = criterion(logits.flatten(0, 1), words[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if step % 500 == 0:
                print(step, validation_loss(model, val_loader, criterion))  # or finds: training-in-evaluation-mode
