# A word-level language model as in PyTorch's examples: dropout between layers, tied weights, clipping.
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class RNNModel(nn.Module):
    def __init__(self, ntoken, ninp=200, nhid=200, nlayers=2, dropout=0.5):
        super().__init__()
        self.ntoken, self.nhid, self.nlayers = ntoken, nhid, nlayers
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.LSTM(ninp, nhid, nlayers, dropout=dropout)
        self.decoder = nn.Linear(nhid, ntoken)
        self.decoder.weight = self.encoder.weight

    def forward(self, input, hidden):
        emb = self.drop(self.encoder(input))
        output, hidden = self.rnn(emb, hidden)
        output = self.drop(output)
        decoded = self.decoder(output).view(-1, self.ntoken)
        return F.log_softmax(decoded, dim=1), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        return weight.new_zeros(self.nlayers, bsz, self.nhid), weight.new_zeros(self.nlayers, bsz, self.nhid)


criterion = nn.NLLLoss()


def evaluate(model, batches, batch_size):
    model.eval()
    total_loss, count = 0.0, 0
    hidden = model.init_hidden(batch_size)
    with torch.no_grad():
        for data, targets in batches:
            output, hidden = model(data, hidden)
            total_loss += len(data) * criterion(output, targets).item()
            count += len(data)
    return total_loss / count


def train(model, batches, batch_size, lr, clip=0.25):
    model.train()
    hidden = model.init_hidden(batch_size)
    for data, targets in batches:
        model.zero_grad()
        hidden = tuple(h.detach() for h in hidden)
        output, hidden = model(data, hidden)
        loss = criterion(output, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        for p in model.parameters():
            p.data.add_(p.grad, alpha=-lr)


def main(corpus, epochs=40, lr=20.0):
    model = RNNModel(len(corpus.dictionary))
    best = None
    for epoch in range(1, epochs + 1):
        train(model, corpus.train, 20, lr)
        val_loss = evaluate(model, corpus.valid, 10)
        print(epoch, val_loss, math.exp(val_loss))
        if not best or val_loss < best:
            torch.save(model.state_dict(), "model.pt")
            best = val_loss
        else:
            lr /= 4.0
    model.load_state_dict(torch.load("model.pt"))
    print("test", evaluate(model, corpus.test, 10))
