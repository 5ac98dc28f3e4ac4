# A transformer for translation: smoothed labels, padding ignored, Adam without decay and a warm-up.
import math

import torch
import torch.nn as nn


class PositionalEncoding(nn.Module):
    def __init__(self, emb_size, dropout, maxlen=5000):
        super().__init__()
        den = torch.exp(-torch.arange(0, emb_size, 2) * math.log(10000) / emb_size)
        pos = torch.arange(0, maxlen).reshape(maxlen, 1)
        table = torch.zeros((maxlen, emb_size))
        table[:, 0::2], table[:, 1::2] = torch.sin(pos * den), torch.cos(pos * den)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("table", table)

    def forward(self, x):
        return self.dropout(x + self.table[: x.size(1)])


class Seq2Seq(nn.Module):
    def __init__(self, src_vocab, tgt_vocab, size=512, dropout=0.1):
        super().__init__()
        self.transformer = nn.Transformer(size, 8, 3, 3, 512, dropout, batch_first=True)
        self.generator = nn.Linear(size, tgt_vocab)
        self.src_emb, self.tgt_emb = nn.Embedding(src_vocab, size), nn.Embedding(tgt_vocab, size)
        self.positional = PositionalEncoding(size, dropout)

    def forward(self, src, tgt):
        mask = nn.Transformer.generate_square_subsequent_mask(tgt.size(1), device=tgt.device)
        outs = self.transformer(self.positional(self.src_emb(src)), self.positional(self.tgt_emb(tgt)), tgt_mask=mask)
        return self.generator(outs)


PAD = 1


def train_epoch(model, loader, loss_fn, optimizer, scheduler):
    model.train()
    for src, tgt in loader:
        logits = model(src, tgt[:, :-1])
        loss = loss_fn(logits.reshape(-1, logits.shape[-1]), tgt[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()


def evaluate(model, loader):
    model.eval()
    loss_fn = nn.CrossEntropyLoss(ignore_index=PAD)
    losses = 0
    with torch.no_grad():
        for src, tgt in loader:
            logits = model(src, tgt[:, :-1])
            losses += loss_fn(logits.reshape(-1, logits.shape[-1]), tgt[:, 1:].reshape(-1)).item()
    return losses / len(loader)


def main(loaders, vocab_sizes, warmup=4000):
    model = Seq2Seq(*vocab_sizes)
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)
    noam = lambda step: 512**-0.5 * min((step + 1) ** -0.5, (step + 1) * warmup**-1.5)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, noam)
    loss_fn = nn.CrossEntropyLoss(ignore_index=PAD, label_smoothing=0.1)
    for epoch in range(18):
        train_epoch(model, loaders["train"], loss_fn, optimizer, scheduler)
        print(epoch, evaluate(model, loaders["val"]))
