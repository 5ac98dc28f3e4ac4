"""The optimizer of ``train``: torch's own, with the weight decay that it does itself, and its schedule."""

from __future__ import annotations

from bridle.exporting.calls import call, remark
from bridle.exporting.knob_code import is_moving
from bridle.exporting.module_tree import ParameterRef
from bridle.exporting.spec import TrainingSpec
from bridle.exporting.wrapping import INDENT
from bridle.places import Ensemble, Weight
from bridle.protocol import MOMENTUM
from bridle.regularizers import WeightDecay

__all__ = ["OptimizerCode"]


class OptimizerCode:
    """The lines that make the optimizer and its schedule; ``decay`` is the regularizer that AdamW takes over."""

    def __init__(self, spec: TrainingSpec) -> None:
        self.spec = spec
        self.decay = adamw_decay(spec)

    def lines(self) -> list[str]:
        """Return the lines that make the optimizer."""
        protocol = self.spec.protocol
        lr, name = f"lr={protocol.peak_lr!r}", protocol.optimizer
        if name in ("sgd", "momentum"):
            momentum = f"momentum={MOMENTUM}" if name == "momentum" else ""
            return [f"optimizer = {call('torch.optim.SGD', 'model.parameters()', lr, momentum)}"]
        if self.decay is None:
            return [f"optimizer = torch.optim.Adam(model.parameters(), {lr})"]
        return [*remark(self.decay), *self.adamw(self.by_decay(self.decay), lr)]

    def by_decay(self, decay: WeightDecay) -> dict[float, list[ParameterRef]]:
        """Return the parameters by the strength of their weight decay."""
        lists = self.spec.lists
        chosen = lists.chosen(decay)
        groups: dict[float, list[ParameterRef]] = {}
        for ref in lists.refs:
            strength = decay.numbers(*ref.described.names)["strength"] if ref in chosen else 0.0
            groups.setdefault(strength, []).append(ref)
        return groups

    def adamw(self, groups: dict[float, list[ParameterRef]], lr: str) -> list[str]:
        """Return the lines that make AdamW, with a group of parameters for each strength of weight decay."""
        if len(groups) == 1:
            (strength,) = groups
            return [f"optimizer = torch.optim.AdamW(model.parameters(), {lr}, weight_decay={strength!r})"]
        each = [
            f'{{"params": {self.spec.lists.name(refs)}, "weight_decay": {strength!r}}}'
            for strength, refs in groups.items()
        ]
        return [f"groups = [{', '.join(each)}]", f"optimizer = torch.optim.AdamW(groups, {lr})"]

    def schedule(self, ensemble: Ensemble | None) -> list[str]:
        """Return the lines that make the learning-rate schedule, which an ensemble begins anew for each member."""
        if self.spec.protocol.schedule == "constant":
            return []
        if ensemble is None:
            return ["scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)"]
        falling = self.spec.script.define(
            "falling",
            [
                "def falling(step: int, steps: int) -> float:",
                f'{INDENT}"""The share of the learning rate at a step: from 1 to 0 along half a cosine."""',
                f"{INDENT}return 0.5 * (1 + math.cos(math.pi * step / steps))",
            ],
        )
        share = f"lambda step: {falling}(*ensemble.warped(step, steps))"
        return [f"scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, {share})"]


def adamw_decay(spec: TrainingSpec) -> WeightDecay | None:
    """Return the weight decay that AdamW does itself: by the learning rate, steady, right before the update."""
    before = [each for each in spec.recipe if isinstance(each, Weight) and not each.after_update]
    decays = [each for each in before if isinstance(each, WeightDecay)]
    if spec.protocol.optimizer not in ("adam", "adamw") or len(decays) != 1 or before[-1] is not decays[0]:
        return None
    (unit,) = decays
    moves = any(is_moving(unit, ref.described.names) for ref in spec.lists.chosen(unit))
    return None if moves or unit.per != "lr" else unit
