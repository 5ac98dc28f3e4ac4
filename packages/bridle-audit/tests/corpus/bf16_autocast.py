# bfloat16 for computing only: the weights and the decay stay in float32.
import torch
import torch.nn.functional as F
from torch import nn


class Encoder(nn.Module):
    def __init__(self, vocab, dim=256, classes=5):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(dim, 8, 4 * dim, dropout=0.1, batch_first=True, norm_first=True) for _ in range(6)
        )
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)

    def forward(self, tokens):
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x).mean(1))


def main(train_loader, val_loader):
    model = torch.compile(Encoder(30000).cuda())
    decay = {p for n, p in model.named_parameters() if p.ndim >= 2}
    rest = [p for p in model.parameters() if p not in decay]
    optimizer = torch.optim.AdamW(
        [{"params": list(decay), "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=1e-4
    )
    for epoch in range(10):
        model.train()
        for tokens, label in train_loader:
            with torch.autocast("cuda", dtype=torch.bfloat16):
                loss = F.cross_entropy(model(tokens.cuda()), label.cuda())
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        model.eval()
        with torch.no_grad(), torch.autocast("cuda", dtype=torch.bfloat16):
            losses = [F.cross_entropy(model(t.cuda()), y.cuda()).item() for t, y in val_loader]
        print(epoch, sum(losses) / len(losses))
