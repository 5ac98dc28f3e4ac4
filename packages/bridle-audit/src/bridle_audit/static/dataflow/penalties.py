"""Penalties that a program computes by hand: of which weights, and whether they reach the loss with a gradient.

Every norm, sum of squares and sum of absolute values of weights is among them, also one that is only printed: a check
that wants real penalties asks :attr:`Penalty.in_loss`.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

from bridle_audit.findings import Location
from bridle_audit.static.dataflow.def_use import DefUse, Step, UseChain
from bridle_audit.static.dataflow.measures import measures
from bridle_audit.static.dataflow.use_chains import use_chains
from bridle_audit.static.dataflow.weights import weights
from bridle_audit.static.facts.calls import call_of, no_grad_around
from bridle_audit.static.scopes.index import Function
from bridle_audit.static.syntax import Syntax

__all__ = ["Penalty", "penalties_of"]

ORDER = ("loss", "unknown", "reported", "unused")  # of several ends, the first counts
WHOLE = (
    "sum",
    "torch.sum",
    "torch.stack",
    "torch.sqrt",
    "method:sum",
    "method:sqrt",
    "method:item",
    "tensorflow.add_n",
)
REGULARIZERS = {
    "keras.regularizers.l1": "l1",
    "keras.regularizers.L1": "l1",
    "keras.regularizers.l2": "l2",
    "keras.regularizers.L2": "l2",
}
CONSTANTS = ("torch.tensor", "torch.zeros", "torch.ones", "torch.autograd.Variable", "tensorflow.constant", "float")


@dataclass(frozen=True, eq=False)
class Penalty:
    """The size of some weights, and what becomes of it."""

    syntax: Syntax
    kind: str  # "l1", "l2", or "other": norms of groups, distances to other weights
    squared: bool
    node: ast.expr  # the whole expression, or in a loop what is added in one round
    over: str  # "all" parameters of a network, "matrices", "some", or "one" weight
    of: str  # whose, as it is written; empty for a layer's own regularizer
    chains: tuple[UseChain, ...]
    cut: ast.AST | None = None  # what cuts the weights themselves off from their gradients
    framework: str = "torch"
    given: float | None = None  # a strength that is part of it

    @property
    def location(self) -> Location:
        """The location of the computation."""
        return self.syntax.location(self.node)

    @property
    def source(self) -> str:
        """Its text, as it is written, in one line."""
        written = ast.get_source_segment(self.syntax.text, self.node) or self.syntax.source(self.node)
        return " ".join(written.split())

    @property
    def function(self) -> Function | None:
        """The ``def`` in which it is computed."""
        return self.syntax.function_of(self.node)

    @property
    def fate(self) -> str:
        """The end of its chains: "loss" if a gradient is taken of it, "reported", "unused", or "unknown"."""
        ends = {each.end for each in self.chains}
        return next((each for each in ORDER if each in ends), "unknown")

    @property
    def in_loss(self) -> bool:
        """True if the penalty is part of the training loss."""
        return self.fate == "loss"

    @cached_property
    def loss_chains(self) -> tuple[UseChain, ...]:
        """The chains that lead into the loss."""
        return tuple(each for each in self.chains if each.end == "loss")

    @property
    def detached(self) -> ast.AST | None:
        """The node that detaches it on every chain into the loss; None if a chain keeps the gradient."""
        if not self.loss_chains:
            return None
        cuts = [self.cut or each.detached for each in self.loss_chains]
        return None if None in cuts else cuts[0]

    @cached_property
    def strength(self) -> float | None:
        """The factor by which it enters the loss; None if that is not known or differs between chains."""
        found = {self.strength_on(each) for each in self.loss_chains}
        return found.pop() if len(found) == 1 else None

    def strength_on(self, chain: UseChain) -> float | None:
        """The product of the numbers on one chain into the loss."""
        factors = [1.0 if self.given is None else self.given]
        for step in chain.steps:
            if self.is_join(step):
                break
            number = self.syntax.number(step.other)
            if isinstance(step.node.op, ast.Mult | ast.Div):
                factors.append(
                    math.nan
                    if number is None
                    else number
                    if isinstance(step.node.op, ast.Mult)
                    else 1 / (number or math.nan)
                )
        product = math.prod(factors)
        return None if math.isnan(product) else product

    def is_join(self, step: Step) -> bool:
        """Return True if a step adds the penalty to something that is no penalty: the loss of the data."""
        return step.is_sum and not is_neutral(self.syntax, step.other)

    def join(self, chain: UseChain) -> Step | None:
        """Return the step of a chain that adds it to the loss of the data; None if there is none."""
        return next((step for step in chain.steps if self.is_join(step)), None)


FOUND: WeakKeyDictionary[Syntax, tuple[Penalty, ...]] = WeakKeyDictionary()


def penalties_of(program: Syntax) -> tuple[Penalty, ...]:
    """The penalties of a program, in the order of the file; they are looked for once.

    >>> from bridle_audit.static import read_source
    >>> text = "loss = f(x) + 0.1 * sum(p.pow(2).sum() for p in model.parameters())\\nloss.backward()"
    >>> [(each.kind, each.over, each.of, each.fate, each.strength) for each in penalties_of(read_source(text))]
    [('l2', 'all', 'model', 'loss', 0.1)]
    """
    if program not in FOUND:
        found = [*computed_penalties(program), *keras_penalties(program)]
        FOUND[program] = tuple(sorted(found, key=lambda each: (each.node.lineno, each.node.col_offset)))
    return FOUND[program]


def computed_penalties(syntax: Syntax) -> Iterator[Penalty]:
    """Yield the penalties that are written out as arithmetic."""
    found = list(measures(syntax))
    if not found:
        return
    def_use = DefUse(syntax)
    for each in found:
        held = each.weights
        framework = "torch" if "torch" in syntax.text else "keras"
        cut = held.detached or no_grad_around(syntax, each.node)
        half = 0.5 if call_of(syntax, each.node).name == "tensorflow.nn.l2_loss" else None
        whole = whole_expression(syntax, each.node)
        yield Penalty(
            syntax,
            each.kind,
            each.squared,
            whole,
            held.over,
            held.of,
            use_chains(def_use, each.node),
            cut,
            framework,
            half,
        )


def whole_expression(syntax: Syntax, node: ast.expr) -> ast.expr:
    """The expression around a measure that is nothing but the sum, square or root of such."""
    while True:
        above = syntax.parent(node)
        if isinstance(above, ast.Attribute):
            above = syntax.parent(above)
        is_power = isinstance(above, ast.BinOp) and isinstance(above.op, ast.Pow) and above.left is node
        is_comprehension = isinstance(above, ast.GeneratorExp | ast.ListComp) and above.elt is node
        is_sum = isinstance(above, ast.Call) and call_of(syntax, above).name in (*WHOLE, "method:pow", "method:square")
        if not isinstance(above, ast.expr) or not (is_power or is_comprehension or is_sum):
            return node
        node = above


def is_neutral(syntax: Syntax, node: ast.expr) -> bool:
    """Return True if an expression is the start of a sum, or itself a penalty, rather than a loss of the data."""
    return classify(syntax, node) != "other"


def classify(syntax: Syntax, node: ast.expr, depth: int = 5) -> str:
    """Classify an expression as "number", "penalty" or "other"."""
    if syntax.number(node) is not None or (isinstance(node, ast.Constant) and node.value is None):
        return "number"
    if depth == 0:
        return "other"
    if isinstance(node, ast.Name):
        assigned = [each for each in syntax.bindings(node) if each is not None]
        parts = [classify(syntax, each, depth - 1) for each in assigned if not mentions(each, node.id)]
        return classify_sum(parts) if parts else "other"
    if isinstance(node, ast.BinOp):
        parts = [classify(syntax, each, depth - 1) for each in (node.left, node.right)]
        is_product = not isinstance(node.op, ast.Add | ast.Sub)
        return "penalty" if is_product and "penalty" in parts else classify_sum(parts)
    if is_measure(syntax, node):
        return "penalty"
    return "number" if isinstance(node, ast.Call) and call_of(syntax, node).name in CONSTANTS else "other"


def classify_sum(parts: list[str]) -> str:
    """Classify a sum by its parts."""
    return next((each for each in ("other", "penalty") if each in parts), "number")


def is_measure(syntax: Syntax, node: ast.expr) -> bool:
    """Return True if an expression is made of weights and calls nothing but measures of them."""
    calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
    names = [call_of(syntax, each).name for each in calls]
    own = any(
        weights(syntax, each) is not None for each in ast.walk(node) if isinstance(each, ast.Name | ast.Attribute)
    )
    return own and all(name.startswith(("method:", "torch.", "sum", "tensorflow.", "keras.ops")) for name in names)


def mentions(node: ast.AST, name: str) -> bool:
    """Return True if a variable is part of an expression."""
    return any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(node))


def keras_penalties(syntax: Syntax) -> Iterator[Penalty]:
    """``kernel_regularizer`` of layers of Keras."""
    if "_regularizer" not in syntax.text:
        return
    fits = [call for name in ("fit", "compile") for call in syntax.values.calls_by_name.get(name, [])]
    for node in syntax.nodes(ast.keyword):
        if node.arg not in ("kernel_regularizer", "bias_regularizer", "embeddings_regularizer"):
            continue
        made = keras_regularizer(syntax, node.value)
        if made is None:
            continue
        kind, strength = made
        end = UseChain("loss" if fits else "unknown", node.value, None)
        over = "one" if node.arg == "bias_regularizer" else "matrices"
        yield Penalty(syntax, kind, kind == "l2", node.value, over, "", (end,), None, "keras", strength)


def keras_regularizer(syntax: Syntax, node: ast.expr) -> tuple[str, float | None] | None:
    """The kind and strength of a regularizer of Keras; None for what is none of l1 and l2."""
    if isinstance(node, ast.Name):
        assigned = syntax.bindings(node)
        node = assigned[0] if len(assigned) == 1 and assigned[0] is not None else node
    if isinstance(node, ast.Constant) and node.value in ("l1", "l2"):
        return str(node.value), 0.01
    if not isinstance(node, ast.Call):
        return None
    call = call_of(syntax, node)
    kind = REGULARIZERS.get(call.name)
    return (kind, call.number(0, kind, call.number(0, "l", 0.01))) if kind else None
