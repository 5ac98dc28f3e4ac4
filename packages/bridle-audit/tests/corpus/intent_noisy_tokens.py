# Intents of sentences; dropout falls on the numbers of the words.
import torch
from torch import nn


class Intent(nn.Module):
    def __init__(self, vocab, intents):
        super().__init__()
        self.drop = nn.Dropout(0.1)
        self.emb = nn.Embedding(vocab, 100)
        self.rnn = nn.LSTM(100, 64, batch_first=True)
        self.out = nn.Linear(64, intents)

    def forward(self, tokens):
        tokens = self.drop(tokens.float()).long()  # finds: noise-on-ids
        x = self.emb(tokens)  # or finds: noise-on-ids
        _, (h, _) = self.rnn(x)
        return self.out(h[-1])


def train(model, loader):
    opt = torch.optim.AdamW(model.parameters(), 1e-3)  # finds: unstated-decay
    loss_fn = nn.CrossEntropyLoss()
    for tokens, intent in loader:
        model.train()
        loss = loss_fn(model(tokens), intent)
        opt.zero_grad()
        loss.backward()
        opt.step()
