# A perceptron; the softmax is only for what is shown to people.
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import FashionMNIST
from torchvision.transforms import ToTensor

train_loader = DataLoader(FashionMNIST("data", train=True, download=True, transform=ToTensor()), 128, shuffle=True)
test_set = FashionMNIST("data", train=False, transform=ToTensor())

model = nn.Sequential(
    nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10)
)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)

for epoch in range(10):
    model.train()
    for X, y in train_loader:
        loss = loss_fn(model(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())


def predict(image):
    model.eval()
    with torch.no_grad():
        probabilities = torch.softmax(model(image.unsqueeze(0)), dim=1)[0]
    best = probabilities.argmax().item()
    return test_set.classes[best], probabilities[best].item()


for index in range(5):
    print(predict(test_set[index][0]))
