# A tagger with a bidirectional LSTM; padding is ignored.
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Tagger(nn.Module):
    def __init__(self, words, tags):
        super().__init__()
        self.embedding = nn.Embedding(words, 100, padding_idx=0)
        self.lstm = nn.LSTM(100, 128, num_layers=2, dropout=0.3, bidirectional=True, batch_first=True)
        self.drop = nn.Dropout(0.5)
        self.linear = nn.Linear(256, tags)

    def forward(self, words, lengths):
        packed = pack_padded_sequence(self.drop(self.embedding(words)), lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.linear(self.drop(states))


def epoch(model, loader, loss_fn, optimizer=None):
    training = optimizer is not None
    model.train(training)
    total = 0.0
    with torch.set_grad_enabled(training):
        for words, lengths, tags in loader:
            loss = loss_fn(model(words, lengths).flatten(0, 1), tags.flatten())
            if training:
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 5.0)
                optimizer.step()
            total += loss.item()
    return total / len(loader)


def main(train_loader, dev_loader, words, tags):
    model = Tagger(words, tags)
    loss_fn = nn.CrossEntropyLoss(ignore_index=-1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-5)
    for number in range(30):
        print(number, epoch(model, train_loader, loss_fn, optimizer), epoch(model, dev_loader, loss_fn))
