# Toxic comments, several labels each; a tiny learning rate for the last round.
import torch
from torch import nn
from transformers import AutoModel


class ToxicModel(nn.Module):
    def __init__(self, labels=6):
        super().__init__()
        self.encoder = AutoModel.from_pretrained("distilroberta-base")
        self.head = nn.Sequential(nn.Linear(768, 256), nn.GELU(), nn.Linear(256, labels), nn.Dropout(0.1))  # finds: dropout-on-logits

    def forward(self, ids, mask):
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.head(states[:, 0])


def train(loader, epochs=2):
    model = ToxicModel()
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=1e-4)  # finds: decay-below-resolution
    model.train()
    for _ in range(epochs):
        for ids, mask, labels in loader:
            loss = criterion(model(ids, mask), labels.float())
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return model
