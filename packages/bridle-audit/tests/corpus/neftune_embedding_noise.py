# Noise on embeddings, words dropped to the unknown word: ids stay ids.
import torch
import torch.nn.functional as F
from torch import nn

UNK = 1


class NoisyClassifier(nn.Module):
    def __init__(self, vocab, dim=128, classes=4, noise_alpha=5.0, word_dropout=0.1):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim, padding_idx=0)
        self.noise_alpha, self.word_dropout = noise_alpha, word_dropout
        self.rnn = nn.GRU(dim, dim, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(0.3)
        self.fc = nn.Linear(2 * dim, classes)

    def forward(self, input_ids):
        if self.training:
            dropped = torch.rand(input_ids.shape, device=input_ids.device) < self.word_dropout
            input_ids = torch.where(dropped, torch.full_like(input_ids, UNK), input_ids)
        x = self.embed(input_ids)
        if self.training:
            scale = self.noise_alpha / (x.size(1) * x.size(2)) ** 0.5
            x = x + torch.empty_like(x).uniform_(-1, 1) * scale
        _, h = self.rnn(x)
        return self.fc(self.dropout(torch.cat([h[0], h[1]], dim=1)))


def run(train_loader, dev_loader, vocab, epochs=10):
    model = NoisyClassifier(vocab)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(epochs):
        model.train()
        for ids, label in train_loader:
            loss = F.cross_entropy(model(ids), label)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
        model.eval()
        with torch.no_grad():
            hits = sum((model(ids).argmax(1) == label).sum().item() for ids, label in dev_loader)
        print(epoch, hits / len(dev_loader.dataset))
