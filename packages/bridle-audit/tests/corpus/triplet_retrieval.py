# Image retrieval with triplets: embeddings are normalized, distances are compared.
import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision.models import resnet34


class Embedder(nn.Module):
    def __init__(self, dim=128):
        super().__init__()
        self.trunk = resnet34(weights="IMAGENET1K_V1")
        self.trunk.fc = nn.Linear(512, dim)

    def forward(self, x):
        return F.normalize(self.trunk(x), p=2, dim=1)


def train(loader, query_loader, epochs=30):
    model = Embedder().cuda()
    criterion = nn.TripletMarginLoss(margin=0.2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=4e-5)
    for epoch in range(epochs):
        model.train()
        for anchor, positive, negative in loader:
            loss = criterion(model(anchor.cuda()), model(positive.cuda()), model(negative.cuda()))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, recall_at_one(model, query_loader))


@torch.no_grad()
def recall_at_one(model, loader):
    model.eval()
    vectors, labels = zip(*[(model(x.cuda()).cpu(), y) for x, y in loader])
    vectors, labels = torch.cat(vectors), torch.cat(labels)
    similarity = vectors @ vectors.T
    similarity.fill_diagonal_(-1)
    return (labels[similarity.argmax(1)] == labels).float().mean().item()
