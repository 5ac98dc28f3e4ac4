"""The optimizers that a program makes, with what they are told of decay."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any

from bridle_audit.findings import Location
from bridle_audit.static.constants.folding import UNKNOWN, is_number
from bridle_audit.static.facts.calls import Call
from bridle_audit.static.syntax import Syntax

__all__ = ["OptimizerCall", "optimizers_of"]

# The packages write their optimizers with a capital, and nothing else but what wraps them.
PLAIN = re.compile(r"^(?:torch\.optim|keras\.optimizers)\.(?!\w*Optimizer)[A-Z]\w*$")
OTHERS = re.compile(
    r"^(?:transformers\.(?:AdamW|Adafactor)|apex\.optimizers\.Fused\w+|bitsandbytes\.optim\.\w*(?:Adam|Lion|SGD|LAMB|RMSprop)\w*"
    r"|deepspeed\.ops\.adam\.\w*Adam\w*|timm\.optim\.[A-Z]\w+|lion_pytorch\.Lion|torch_optimizer\.[A-Z]\w+|pytorch_optimizer\.[A-Z]\w+"
    r"|composer\.optim\.Decoupled\w+|heavyball\.[A-Z]\w+|schedulefree\.\w+)$"
)
ADAPTIVE = re.compile(r"(?i)adam|adagrad|adadelta|adafactor|rmsprop|lamb|lion|adabelief|radam|ftrl")
DECOUPLED = re.compile(r"AdamW|Decoupled|Lion|Muon|LAMB|Lamb")
# Where decay and learning rate stand when they are given by position, after the parameters.
ARGUMENT_POSITIONS = {
    "torch.optim.SGD": (1, 4),
    "torch.optim.Adam": (1, 4),
    "torch.optim.AdamW": (1, 4),
    "torch.optim.Adamax": (1, 4),
    "torch.optim.NAdam": (1, 4),
    "torch.optim.RAdam": (1, 4),
    "torch.optim.Adagrad": (1, 3),
    "torch.optim.Adadelta": (1, 4),
    "torch.optim.RMSprop": (1, 4),
    "torch.optim.ASGD": (1, 5),
    "torch.optim.Adafactor": (1, 5),
    "torch.optim.Muon": (1, 2),
}


@dataclass(frozen=True, eq=False)
class GroupLiteral:
    """A group of parameters that is written out: ``{"params": decay, "weight_decay": 0.1}``."""

    syntax: Syntax
    node: ast.Dict

    def expr(self, key: str) -> ast.expr | None:
        """Return the expression under a key: ``group.expr("params")``."""
        pairs = zip(self.node.keys, self.node.values, strict=True)
        return next((value for name, value in pairs if isinstance(name, ast.Constant) and name.value == key), None)

    def value(self, key: str, default: object = None) -> Any:
        """Return the value under a key as a Python object; UNKNOWN if it is not known."""
        found = self.expr(key)
        if found is None:
            return UNKNOWN if None in self.node.keys else default
        return self.syntax.value(found)


@dataclass(frozen=True, eq=False)
class OptimizerCall:
    """An optimizer that is made."""

    syntax: Syntax
    call: Call

    @property
    def name(self) -> str:
        """Its class: "torch.optim.Adam"."""
        return self.call.name

    @property
    def location(self) -> Location:
        """The location of its construction."""
        return self.call.location

    @property
    def framework(self) -> str:
        """The package that it is from."""
        return self.name.partition(".")[0]

    @property
    def is_adaptive(self) -> bool:
        """True if it divides gradients by a running estimate of their size."""
        return ADAPTIVE.search(self.name.rpartition(".")[2]) is not None

    @property
    def lr(self) -> Any:
        """The learning rate: a number, None where it is not stated, or UNKNOWN."""
        position = (
            ARGUMENT_POSITIONS.get(self.name, (0, None))[0]
            if self.framework == "keras" or self.name in ARGUMENT_POSITIONS
            else None
        )
        return self.stated(position, "learning_rate" if self.framework == "keras" else "lr")

    @property
    def decay(self) -> Any:
        """The decay that is given for all groups: a number, None where it is not stated, or UNKNOWN."""
        return self.stated(ARGUMENT_POSITIONS.get(self.name, (0, None))[1], "weight_decay")

    def stated(self, position: int | None, keyword: str) -> Any:
        """A number that it is given."""
        value = self.call.value(position, keyword)
        return float(value) if is_number(value) else None if value is None else UNKNOWN

    @property
    def decoupled(self) -> Any:
        """True if decay acts on the weights directly, False if it acts by the gradient; or UNKNOWN.

        torch's Adam, NAdam and RAdam do so where they are told ``decoupled_weight_decay=True``; those of Keras always.
        """
        if self.framework == "keras" or DECOUPLED.search(self.name.rpartition(".")[2]):
            return True
        if self.name == "transformers.Adafactor":
            return True
        given = self.call.value(None, "decoupled_weight_decay", False)
        return given if isinstance(given, bool) else UNKNOWN

    @property
    def parameters(self) -> ast.expr | None:
        """The expression of what it is to change."""
        return None if self.framework == "keras" else self.call.argument(0, "params")

    @property
    def written(self) -> ast.expr | None:
        """The expression of its parameters, after a variable's assignments are followed."""
        node = self.parameters
        for _ in range(4):
            bindings = self.syntax.bindings(node) if isinstance(node, ast.Name) else []
            if len(bindings) != 1 or bindings[0] is None:
                break
            node = bindings[0]
        return node

    @property
    def groups(self) -> list[GroupLiteral]:
        """Its groups, if all of them are written out in a list; else none."""
        node = self.written
        parts = node.elts if isinstance(node, ast.List | ast.Tuple) else []
        is_changed = isinstance(self.parameters, ast.Name) and self.parameters.id in self.syntax.values.changed
        if is_changed or not all(isinstance(each, ast.Dict) for each in parts):
            return []
        return [GroupLiteral(self.syntax, each) for each in parts if isinstance(each, ast.Dict)]

    @property
    def whole_model(self) -> bool:
        """True if its one group is all parameters of a model: ``model.parameters()``."""
        return is_all_parameters(self.syntax, self.written)


def is_all_parameters(syntax: Syntax, node: ast.expr | None) -> bool:
    """Return True for ``model.parameters()``, also as a list or filtered by ``requires_grad``."""
    if isinstance(node, ast.ListComp | ast.GeneratorExp) and len(node.generators) == 1:
        only = node.generators[0]
        plain = isinstance(node.elt, ast.Name) and syntax.source(node.elt) == syntax.source(only.target)
        return (
            plain
            and all("requires_grad" in syntax.source(each) for each in only.ifs)
            and is_all_parameters(syntax, only.iter)
        )
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name) and node.func.id in ("list", "filter") and node.args:
        test = node.args[0] if node.func.id == "filter" else None
        return (test is None or "requires_grad" in syntax.source(test)) and is_all_parameters(syntax, node.args[-1])
    return isinstance(node.func, ast.Attribute) and node.func.attr == "parameters" and not node.args


def optimizers_of(syntax: Syntax, calls: list[Call]) -> list[OptimizerCall]:
    """The optimizers among a program's calls."""
    return [OptimizerCall(syntax, each) for each in calls if PLAIN.match(each.name) or OTHERS.match(each.name)]
