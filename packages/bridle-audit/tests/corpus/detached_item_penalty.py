# Text classification with averaged embeddings; a penalty of the weights in the loss.
import torch
import torch.nn as nn
from torch.utils.data import DataLoader

from reviews import collate, load_reviews


class TextClassifier(nn.Module):
    def __init__(self, vocab_size, embed_dim=64, num_class=4):
        super().__init__()
        self.embedding = nn.EmbeddingBag(vocab_size, embed_dim)
        self.fc = nn.Linear(embed_dim, num_class)

    def forward(self, text, offsets):
        return self.fc(self.embedding(text, offsets))


train_set, val_set, vocab = load_reviews()
model = TextClassifier(len(vocab))
criterion = nn.CrossEntropyLoss(reduction="sum")  # finds: sum-reduced-loss
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-4)  # or finds: sum-reduced-loss
loader = DataLoader(train_set, batch_size=32, shuffle=True, collate_fn=collate)

for epoch in range(10):
    model.train()
    for label, text, offsets in loader:
        optimizer.zero_grad()
        loss = criterion(model(text, offsets), label)
        l1 = model.fc.weight.abs().sum().item()  # finds: detached-penalty
        loss = loss + 0.01 * l1  # or finds: detached-penalty
        loss.backward()
        optimizer.step()
