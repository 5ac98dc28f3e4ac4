# Detection as in torchvision's tutorial: small batches, frozen batch norms, the model returns its losses.
import math
import sys

import torch
import torchvision
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor


def get_model(num_classes):
    model = torchvision.models.detection.fasterrcnn_resnet50_fpn(weights="DEFAULT")
    in_features = model.roi_heads.box_predictor.cls_score.in_features
    model.roi_heads.box_predictor = FastRCNNPredictor(in_features, num_classes)
    return model


def train_one_epoch(model, optimizer, data_loader, device, epoch):
    model.train()
    for images, targets in data_loader:
        images = [image.to(device) for image in images]
        targets = [{k: v.to(device) for k, v in t.items()} for t in targets]
        loss_dict = model(images, targets)
        losses = sum(loss for loss in loss_dict.values())
        if not math.isfinite(losses.item()):
            sys.exit(1)
        optimizer.zero_grad()
        losses.backward()
        optimizer.step()


@torch.inference_mode()
def evaluate(model, data_loader, evaluator, device):
    model.eval()
    for images, targets in data_loader:
        outputs = model([image.to(device) for image in images])
        evaluator.update({t["image_id"]: o for t, o in zip(targets, outputs)})
    return evaluator.summarize()


def main(dataset, dataset_test, evaluator):
    device = torch.device("cuda")
    collate = lambda batch: tuple(zip(*batch))
    data_loader = torch.utils.data.DataLoader(dataset, batch_size=2, shuffle=True, collate_fn=collate)
    data_loader_test = torch.utils.data.DataLoader(dataset_test, batch_size=1, shuffle=False, collate_fn=collate)
    model = get_model(2).to(device)
    params = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(params, lr=0.005, momentum=0.9, weight_decay=0.0005)
    lr_scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.1)
    for epoch in range(10):
        train_one_epoch(model, optimizer, data_loader, device, epoch)
        lr_scheduler.step()
        evaluate(model, data_loader_test, evaluator, device)
