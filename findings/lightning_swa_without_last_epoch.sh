#!/usr/bin/env bash
# pytorch-lightning 2.6.6 on torch 2.13.0: what the last epoch of StochasticWeightAveraging trains is thrown away.
#
# One would expect the average to be of the weights at the ends of the averaged epochs, as in the paper and in torch's own
# recipe. The callback takes the weights in at the beginning of each epoch, before it is trained: the first that counts are
# those from before the averaged phase, and the last epoch's never do. The loss that was logged last is that of other
# weights than those handed over. A slope of 1 under SGD makes a weight that is the number of epochs trained, and shows it.
#
# Seen on 2026-11-28 (the weight after each epoch is 1, 2, 3 ...):
#   4 epochs, swa_epoch_start=0.5: handed over 2.0, the mean of 1, 2, 3; the epochs' ends from there on are 2, 3, 4
#   10 epochs, swa_epoch_start=0.8: handed over 8.0, the mean of 7, 8, 9; the epochs' ends from there on are 8, 9, 10
#   10 epochs, swa_epoch_start=10: handed over 9.0, the mean of 9; the epochs' ends from there on are 10
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check torch==2.13.0 numpy==2.4.6 pytorch-lightning==2.6.6
"$folder/venv/bin/python" -W ignore - 2>"$folder/messages" <<'PROGRAM' || { cat "$folder/messages" >&2; exit 1; }
import logging
import sys

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import StochasticWeightAveraging
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
BATCHES = DataLoader(TensorDataset(torch.zeros(10, 1)), batch_size=1)


class Slope(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def training_step(self, batch, _):
        return -self.weight

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)  # ten steps an epoch


handed_over = []
for epochs, start, first in ((4, 0.5, 1), (10, 0.8, 7), (10, 10, 9)):
    model = Slope()
    trainer = lightning.Trainer(
        max_epochs=epochs, callbacks=[StochasticWeightAveraging(swa_lrs=0.1, swa_epoch_start=start)], logger=False,
        accelerator="cpu", enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )
    trainer.fit(model, BATCHES)
    begins = list(range(first, epochs))
    handed_over.append((round(model.weight.item(), 3), sum(begins) / len(begins)))
    print(
        f"{epochs} epochs, swa_epoch_start={start}: handed over {model.weight.item():.1f}, the mean of "
        f"{', '.join(map(str, begins))}; the epochs' ends from there on are {', '.join(str(each + 1) for each in begins)}"
    )

sys.exit([seen for seen, _ in handed_over] != [2.0, 8.0, 9.0] or any(seen != mean for seen, mean in handed_over))
PROGRAM
