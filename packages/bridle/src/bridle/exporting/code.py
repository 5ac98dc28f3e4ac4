"""Writes a recipe as a script: plain PyTorch that builds the network and trains it as bridle would."""

from __future__ import annotations

from bridle import networks
from bridle.errors import InputError
from bridle.exporting.network import NetworkCode
from bridle.exporting.parameters import ParameterLists
from bridle.exporting.scores import check_metric
from bridle.exporting.script import Script
from bridle.exporting.spec import TrainingSpec
from bridle.exporting.training import TrainFunctionCode
from bridle.exporting.wrapping import docstring, indented, wrapped
from bridle.feature_layout import Layout
from bridle.networks import MLP, ConvNet, DescribedNetwork
from bridle.places.base import Placed
from bridle.protocol import Protocol
from bridle.recipe import Recipe, RecipeLike
from bridle.training_rules import check_class_weight, check_data, with_optimizer_decay

__all__ = ["to_code"]

TASKS = ("classification", "regression")
MEASURED = {
    "classification": (
        "x_train, x_valid, y_train, y_valid = map(torch.tensor, arrays)",
        "x_train, x_valid = x_train.float(), x_valid.float()",
        "model = train(x_train, y_train, x_valid, y_valid)",
        "accuracy = (model(x_valid).argmax(1) == y_valid).double().mean()",
        'print(f"validation accuracy: {accuracy:.4f}")',
    ),
    "regression": (
        "x_train, x_valid, y_train, y_valid = (torch.tensor(each).float() for each in arrays)",
        "model = train(x_train, y_train, x_valid, y_valid)",
        "predicted = model(x_valid)[:, 0] * y_train.std(correction=0) + y_train.mean()",
        "r2 = 1 - (predicted - y_valid).square().mean() / y_valid.var(correction=0)",
        'print(f"validation r2: {r2:.4f}")',
    ),
}


def to_code(
    recipe: RecipeLike,
    network: MLP | DescribedNetwork | str | None = None,
    protocol: Protocol | None = None,
    *,
    task: str = "classification",
) -> str:
    """Return a recipe as a script of plain PyTorch, without bridle, that trains the same.

    The script defines ``build``, the network with the recipe's layers in it, and ``train(x_train, y_train, x_valid,
    y_valid)``, a loop with a block for each place of the training step; run by itself, it trains on scikit-learn's
    digits (or its diabetes data, for ``task="regression"``). It computes in the type of the rows that it is given, and
    draws weights, batches and noise from torch's generator: the steps are those of :func:`bridle.train`, the random
    numbers are not. Where the protocol leaves the length open, ``train`` finds it as bridle does: twice as long, from
    the start, as long as that helps. ``network`` is a description such as ``mlp(128, 64)``, the default, or its text.

    >>> print(to_code("L2(strength=0.001)", "linear()").partition("def l2")[2].partition("def build")[0].strip())
    (w: Tensor, *, strength: float) -> Tensor:
        \"\"\"Any shape -> the penalty, a scalar.\"\"\"
        return strength * w.square().sum()
    """
    recipe, protocol = Recipe.of(recipe), Protocol.of(protocol)
    described = networks.parse(network) if isinstance(network, str) else network or networks.mlp(128, 64)
    if not isinstance(described, MLP | DescribedNetwork):
        raise InputError(
            f"to_code writes networks that bridle describes, such as mlp(128, 64), got {described!r}; for a module of "
            "your own, put it in the place of the network that is written, or use bridle.attach"
        )
    if task not in TASKS:
        raise InputError(f"the task must be one of {', '.join(TASKS)}, got {task!r}")
    check_metric(protocol.metric, task)
    check_class_weight(protocol, task)
    for unit in recipe:
        if isinstance(unit, Placed):
            check_data(unit, task, Layout((1, 8, 8)))
    script = Script()
    define(script, recipe, described, protocol, task)
    if script.clashes:
        script = Script(script.clashes)
        define(script, recipe, described, protocol, task)
    title = f"Trains {described} with {recipe}, in plain PyTorch." if len(recipe) else f"Trains {described} in PyTorch."
    run = "\n".join(main(recipe, described, task))
    if protocol.precision == "float64":
        run = run.replace(".float()", ".double()")
    return script.text("\n".join(docstring(title)), wrapped(run))


def define(script: Script, recipe: Recipe, described: MLP | DescribedNetwork, protocol: Protocol, task: str) -> None:
    """Add all functions and classes of the training to the script."""
    network = NetworkCode(described, recipe, script)
    lists = ParameterLists(network, script)
    TrainFunctionCode(
        TrainingSpec(with_optimizer_decay(protocol.optimizer, recipe), network, protocol, task, lists, script)
    ).define()


def main(recipe: Recipe, described: MLP | DescribedNetwork, task: str) -> list[str]:
    """Return the lines that run where the script is run by itself."""
    maps = isinstance(described, ConvNet)
    images = maps or any(unit.images_only for unit in recipe)
    source = "diabetes" if task == "regression" and not images else "digits"
    rows = "diabetes.data / diabetes.data.std(0)"
    if source == "digits":
        rows = f"digits.{'images' if images else 'data'}{'[:, None]' if maps else ''} / 16"
    return [
        'if __name__ == "__main__":',
        *indented(
            [
                f"from sklearn.datasets import load_{source}",
                "from sklearn.model_selection import train_test_split",
                "",
                f"{source} = load_{source}()",
                f"arrays = train_test_split({rows}, {source}.target, test_size=0.2, random_state=0)",
                *MEASURED[task],
            ]
        ),
    ]
