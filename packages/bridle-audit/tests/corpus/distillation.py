# Knowledge distillation: softmax for the teacher, log_softmax for the student, cross-entropy for the labels.
import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision.models import mobilenet_v3_small, resnet50


def distillation_loss(student_logits, teacher_logits, labels, T=4.0, alpha=0.7):
    soft = nn.KLDivLoss(reduction="batchmean")(F.log_softmax(student_logits / T, dim=1), F.softmax(teacher_logits / T, dim=1))
    hard = F.cross_entropy(student_logits, labels)
    return alpha * T * T * soft + (1 - alpha) * hard


def main(train_loader, val_loader, epochs=100):
    teacher = resnet50(num_classes=100)
    teacher.load_state_dict(torch.load("teacher.pt"))
    teacher.eval()
    student = mobilenet_v3_small(num_classes=100)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [60, 80], gamma=0.1)
    for epoch in range(epochs):
        student.train()
        for images, labels in train_loader:
            with torch.no_grad():
                teacher_logits = teacher(images)
            student_logits = student(images)
            loss = distillation_loss(student_logits, teacher_logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        scheduler.step()
        student.eval()
        hits = 0
        with torch.no_grad():
            for images, labels in val_loader:
                hits += (student(images).argmax(1) == labels).sum().item()
        print(epoch, hits)
