# A word-level language model with tied weights and an activation penalty of AWD-LSTM's kind.
import torch
import torch.nn.functional as F
from torch import nn


class LanguageModel(nn.Module):
    def __init__(self, vocab, size=400, hidden=400, layers=3):
        super().__init__()
        self.encoder = nn.Embedding(vocab, size)
        self.rnn = nn.LSTM(size, hidden, layers, dropout=0.25)
        self.decoder = nn.Linear(hidden, vocab)
        self.decoder.weight = self.encoder.weight

    def forward(self, tokens, state=None):
        x = F.dropout(self.encoder(tokens), 0.4)  # finds: random-in-evaluation
        raw, state = self.rnn(x, state)
        return self.decoder(raw), raw, state


def train(model, batches, optimizer, alpha=2.0, clip=0.25):
    model.train()
    state = None
    for tokens, targets in batches:
        logits, raw, state = model(tokens, state)
        state = tuple(each.detach() for each in state)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        loss = loss + alpha * raw.pow(2).mean() + 1e-6 * model.encoder.weight.pow(2).sum()  # or finds: clipped-penalty
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)  # finds: clipped-penalty
        optimizer.step()


def evaluate(model, batches):
    model.eval()
    total = count = 0
    with torch.no_grad():
        for tokens, targets in batches:
            logits, _, _ = model(tokens)
            total += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
            count += targets.numel()
    return total / count


def main(corpus):
    model = LanguageModel(len(corpus.vocabulary))
    optimizer = torch.optim.SGD(model.parameters(), lr=20)
    for epoch in range(40):
        train(model, corpus.batches("train", bptt=35), optimizer)
        print(epoch, evaluate(model, corpus.batches("valid", bptt=35)))
