# A sentiment transformer that is to be robust against noise in its input.
import torch
import torch.nn as nn


class SentimentTransformer(nn.Module):
    def __init__(self, vocab_size, d_model=128, nhead=4, layers=2, max_len=256):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, d_model, padding_idx=0)
        self.position = nn.Parameter(torch.zeros(1, max_len, d_model))
        layer = nn.TransformerEncoderLayer(d_model, nhead, 4 * d_model, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers)
        self.head = nn.Linear(d_model, 2)

    def forward(self, input_ids):
        if self.training:
            noise = torch.randn_like(input_ids.float()) * 0.5
            input_ids = (input_ids + noise).long().clamp(min=0)  # finds: noise-on-ids
        x = self.embed(input_ids) + self.position[:, : input_ids.size(1)]
        x = self.encoder(x)
        return self.head(x.mean(dim=1))


def train(model, loader, epochs=5):
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)  # finds: unstated-decay
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        for input_ids, label in loader:
            loss = criterion(model(input_ids), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())
