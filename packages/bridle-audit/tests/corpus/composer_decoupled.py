# Composer with its decoupled optimizer, strength in its own unit.
import composer.functional as cf
import torch.nn.functional as F
from composer import Trainer
from composer.algorithms import EMA, LabelSmoothing
from composer.models import ComposerClassifier
from composer.optim import CosineAnnealingScheduler, DecoupledSGDW
from torch.utils.data import DataLoader
from torchvision.models import resnet50


def main(train_set, val_set):
    net = resnet50(num_classes=1000)
    cf.apply_blurpool(net)
    model = ComposerClassifier(net, loss_fn=F.cross_entropy)
    optimizer = DecoupledSGDW(model.parameters(), lr=2.0, momentum=0.9, weight_decay=5e-5)
    trainer = Trainer(
        model=model,
        train_dataloader=DataLoader(train_set, batch_size=256, shuffle=True, num_workers=8),
        eval_dataloader=DataLoader(val_set, batch_size=256, num_workers=8),
        optimizers=optimizer,
        schedulers=CosineAnnealingScheduler(),
        algorithms=[LabelSmoothing(smoothing=0.1), EMA(half_life="100ba", update_interval="20ba")],
        max_duration="90ep",
    )
    trainer.fit()


if __name__ == "__main__":
    from imagenet import splits

    main(*splits())
