"""The layers of the trained networks, gathered by name over the runs of a contender."""

from __future__ import annotations

from bridle.report.averaging import finite, mean_of
from bridle.results import Contender, LayerSummary, Study

__all__ = ["gammas_of", "layer_names", "layers_of", "mean_norm"]


def layer_names(study: Study) -> list[str]:
    """Return the names of all layers, in the order in which they first come."""
    return list(dict.fromkeys(layer.name for each in study.contenders for run in each.runs for layer in run.layers))


def layers_of(contender: Contender, name: str) -> list[LayerSummary]:
    """Return the summaries of the layer of that name, one for each run that has it."""
    return [layer for run in contender.runs for layer in run.layers if layer.name == name]


def mean_norm(contender: Contender, name: str) -> float:
    """Average the Euclidean norm of a layer's weights over the runs."""
    return mean_of(layer.weight_norm for layer in layers_of(contender, name))


def gammas_of(contender: Contender, name: str) -> list[float]:
    """Return the finite gammas behind a layer, of all runs."""
    return finite(gamma for layer in layers_of(contender, name) for gamma in layer.gammas or [])
