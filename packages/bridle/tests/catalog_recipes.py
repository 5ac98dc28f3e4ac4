"""Recipes that tests go through: the catalog one by one, and many together."""

from __future__ import annotations

from bridle import CATALOG

ON_IMAGES = [name for name, leaf in CATALOG.items() if getattr(leaf, "images_only", False)]
ON_BRANCHES = [name for name, leaf in CATALOG.items() if leaf().settings(numbers=False).get("at") == "residual"]


def recipe_of(name: str) -> str:
    """The regularizer at its defaults, where a perceptron has a place for it."""
    return f"{name}(at='hidden')" if name in ON_BRANCHES else name


ON_PERCEPTRONS = [recipe_of(name) for name in CATALOG if name not in ON_IMAGES]
TOGETHER = [
    "none",
    "Dropout(rate=0.2) + WeightDecay(strength=0.01)",
    "Mixup + BatchNorm + SAM + EMA + EarlyStopping",
    "Mixup(alpha=0.4) + LabelSmoothing(strength=0.1) + BatchNorm() + Dropout(rate=0.2) + L1(strength=0.001) "
    "+ ConfidencePenalty(strength=0.1) + GradientNoise() + ClipNorm(limit=0.5) + WeightDecay() + MaxNorm(limit=2.0)",
    "FGSM(radius=0.05) + WeightNorm() + DropConnect(rate=0.1) + VAT() + SAM(radius=0.05) + SoftThreshold()",
    "InputNoise(spread=0.2) + RDrop() + Dropout(rate=0.3) + ActivityL1() + ASAM() + EMA()",
    "HardBootstrap + BatchNorm(at='all') + GaussianDropout + JacobianPenalty + SpectralPenalty + ASAM",
    "LabelSmoothing + FGSM + GhostBatchNorm + SpectralNorm + L2ToInit + GroupLasso(on='all') + Lookahead",
    "Dropout(rate=0.1, at='input') + Dropout + ActivityL2(at='all') + ShrinkPerturb + WeightDecay",
    "WeightDecay(strength=0.1) + ShrinkPerturb(every=0.1) + WeightDecay(strength=0.2, on='biases')",
    "WeightDecay(per='schedule', strength=0.001) + ClipValue(on='biases') + ClipNorm(on='Linear') + UnitNorm(on='o*')",
    "GroupSoftThreshold(groups='columns') + GroupLasso(groups='channels') + Orthogonality + AdaptiveClip",
    "EMA(decay=0.9) + GhostBatchNorm + SpectralNorm + GradientNoise(on='biases')",
]
SCHEDULED = [
    "Dropout(rate=linear(0.0, 0.5, over=0.5)) + BatchNorm(momentum=cosine(0.5, 0.1))",
    "L2(strength=cosine(0.1, 0.0)) + WeightDecay(strength=flat_cosine(0.5))",
    "Dropout(rate={'0': 0.1, '2': 0.4, '*': 0.2}, at='all') + L1(strength={'output.*': 0.01, 'Linear': 0.001})",
    "Mixup(alpha=until(0.5)) + Dropout(rate={'linear1': after(0.3, 0.4), '*': 0.1})",
    "LabelSmoothing(strength=until(0.5)) + DropConnect(rate={'linear2': linear(0, 0.3), '*': 0.1})",
    "SAM(radius=after(0.5)) + DropConnect(rate={'linear1': linear(0.3, 0), '*': 0.1})",
    "ClipNorm(limit=until(0.5, 0.1)) + WeightDecay(strength={'output.weight': 0.3, '*': 0.01})",
    "ASAM(radius={'output.*': 0.1, '*': linear(0.01, 0.1)}) + EMA(decay={'output.*': 0.9, '*': 0.8}) + BatchNorm",
    "L2ToInit(strength={'output.*': 0.1, '*': 0.01}) + SpectralPenalty(strength={'linear1.*': 1, '*': linear(0, 1)})",
    "ActivityL1(strength=linear(0, 1)) + MaxNorm(limit={'output.*': 1, '*': 2})",
]

ENDINGS = [
    "BatchNorm + Dropout(rate=0.2)",
    "BatchNorm + EMA(decay=0.9)",
    "BatchNorm + SpectralNorm + EMA(decay=0.9)",
    "BatchNorm + Dropout(rate=0.2) + SWA(start=0.5)",
    "GhostBatchNorm + GaussianDropout + SWA(start=0.5) + EarlyStopping(patience=1, min_delta=0.3)",
    "WeightNorm + BatchNorm + Lookahead",
    "BatchNorm + ActivityL1 + SnapshotEnsemble(cycles=3)",
    "EarlyStopping(patience=1, min_delta=0.3)",
    "EMA(decay=0.9) + GeneralizationLoss(limit=linear(0.5, 1.0))",
    "EarlyStopping(patience=2, watch='metric') + GeneralizationLoss + SpectralNorm",
]
