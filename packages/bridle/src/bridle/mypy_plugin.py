"""A plugin of mypy: a regularizer's formulas are checked against what its class declares, before anything is run.

What :mod:`bridle.places.definition` refuses when a class is defined, mypy then says of its source: a formula that lacks
a knob or takes one that there is not, arrays in another order, another number of results. In ``pyproject.toml``::

    [tool.mypy]
    plugins = ["bridle.mypy_plugin"]

Misspelt inputs, kinds of noise and fields of a state mypy finds by itself: they are Literals and named tuples.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

from mypy.nodes import (
    ARG_NAMED,
    ARG_NAMED_OPT,
    ARG_STAR,
    ARG_STAR2,
    AssignmentStmt,
    CallExpr,
    ClassDef,
    Decorator,
    DictExpr,
    Expression,
    FuncDef,
    IntExpr,
    LambdaExpr,
    MemberExpr,
    NameExpr,
    OpExpr,
    RefExpr,
    StarExpr,
    StrExpr,
    TupleExpr,
)
from mypy.plugin import ClassDefContext, Plugin
from mypy.traverser import all_return_statements
from mypy.types import UnboundType

from bridle import places
from bridle.errors import InputError
from bridle.knobs import knobs
from bridle.places.base import Placed
from bridle.places.signatures import Declared, Signature, check_form

__all__ = ["plugin"]

HOME, KNOB = "bridle.places.", "bridle.knobs.knob"
KINDS = {
    ARG_STAR: inspect.Parameter.VAR_POSITIONAL,
    ARG_NAMED: inspect.Parameter.KEYWORD_ONLY,
    ARG_NAMED_OPT: inspect.Parameter.KEYWORD_ONLY,
    ARG_STAR2: inspect.Parameter.VAR_KEYWORD,
}
Function = FuncDef | LambdaExpr


class ComputedDeclaration(Exception):
    """Something that a class declares is computed: nothing is said of the class then."""


class RegularizerPlugin(Plugin):
    """Checks each class that is derived from one of the places' bases."""

    def get_base_class_hook(self, fullname: str) -> Callable[[ClassDefContext], None] | None:
        """Return the check of the classes that are derived from a base."""
        base = getattr(places, fullname.rpartition(".")[2], None) if fullname.startswith(HOME) else None
        if not (isinstance(base, type) and issubclass(base, Placed)):
            return None
        return lambda context: check_class(context, base)


def plugin(version: str) -> type[Plugin]:
    """Return the plugin, as mypy asks for it where ``pyproject.toml`` has ``plugins = ["bridle.mypy_plugin"]``.

    mypy then checks the formulas of a regularizer against what its class declares: a knob that a formula lacks or that
    there is not, arrays in another order, another number of results.
    """
    del version
    return RegularizerPlugin


def check_class(context: ClassDefContext, base: type[Placed]) -> None:
    """Say of each formula of a class what it cannot take or return."""
    if any(each.fullname == "abc.ABC" for each in context.cls.base_type_exprs if isinstance(each, RefExpr)):
        return  # a base of the user's own, whose classes declare the rest
    body = RegularizerBody(context.cls)
    try:
        declared = read(body, base)
    except ComputedDeclaration:
        return
    for form in base.forms:
        formula = body.function(form.name)
        if formula is not None:
            try:
                check_form(declared, form, signature_of(formula))
            except InputError as error:
                where = body.values.get(form.name) or body.methods.get(form.name) or context.cls
                context.api.fail(f"{context.cls.name}: {error}", where)


class RegularizerBody:
    """The assignments and methods in the body of a class, by name."""

    def __init__(self, definition: ClassDef) -> None:
        self.values: dict[str, Expression] = {}
        self.methods: dict[str, FuncDef] = {}
        self.words_declared: set[str] = set()  # annotated as str
        for each in definition.defs.body:
            if isinstance(each, AssignmentStmt) and isinstance(each.lvalues[0], NameExpr):
                self.values[each.lvalues[0].name] = each.rvalue
                if isinstance(each.unanalyzed_type, UnboundType) and each.unanalyzed_type.name == "str":
                    self.words_declared.add(each.lvalues[0].name)
            elif isinstance(each, Decorator) and any(is_static(way) for way in each.original_decorators):
                self.methods[each.name] = each.func

    def function(self, name: str) -> Function | None:
        """Return the function that is a formula of the class: assigned with ``staticmethod(...)`` or defined so."""
        held = self.values.get(name)
        if held is None:
            return self.methods.get(name)
        if not (isinstance(held, CallExpr) and is_static(held.callee)):
            return None
        (given,) = held.args
        if isinstance(given, LambdaExpr):
            return given
        node = given.node if isinstance(given, RefExpr) else None
        return node if isinstance(node, FuncDef) else None

    def words(self, name: str, inherited: tuple[str, ...]) -> tuple[str, ...]:
        """Return a tuple of words that the class assigns, or that it inherits."""
        held = self.values.get(name)
        if held is None:
            return inherited
        if not (isinstance(held, TupleExpr) and all(isinstance(each, StrExpr) for each in held.items)):
            raise ComputedDeclaration
        return tuple(each.value for each in held.items if isinstance(each, StrExpr))

    def keys(self, name: str) -> tuple[str, ...]:
        """Return the keys of a dictionary that the class assigns; none, if it does not."""
        held = self.values.get(name)
        if held is None:
            return ()
        if not (isinstance(held, DictExpr) and all(isinstance(key, StrExpr) for key, _ in held.items)):
            raise ComputedDeclaration
        return tuple(key.value for key, _ in held.items if isinstance(key, StrExpr))

    def knobs(self) -> Iterator[str]:
        """Yield the names of the knobs that the formulas take."""
        for name, value in self.values.items():
            if isinstance(value, CallExpr) and isinstance(value.callee, RefExpr) and value.callee.fullname == KNOB:
                in_formula = dict(zip(value.arg_names, value.args, strict=True)).get("in_formula")
                is_word = name in self.words_declared
                if not is_word or (isinstance(in_formula, NameExpr) and in_formula.name == "True"):
                    yield name


def read(body: RegularizerBody, base: type[Placed]) -> Declared:
    """Return what a class declares, with what it inherits from a base of bridle."""
    inherited = tuple(each.name for each in knobs(base) if each.is_number or each.in_formula)
    return Declared(
        base.place,
        count(body.values["noise"]) if "noise" in body.values else 0,
        body.words("extra_inputs", base.extra_inputs),
        body.keys("parameters"),
        ("state",) if "state" in body.values else (),
        (*inherited, *body.knobs()),
        body.words("step_inputs", base.step_inputs),
    )


def count(expression: Expression) -> int:
    """Return the number of elements of a tuple such as ``(*3 * (Draw("uniform"),), Draw("normal"))``."""
    if isinstance(expression, StarExpr):
        return count(expression.expr)
    if isinstance(expression, OpExpr) and expression.op == "*" and isinstance(expression.left, IntExpr):
        return expression.left.value * count(expression.right)
    if not isinstance(expression, TupleExpr):
        raise ComputedDeclaration
    return sum(count(each) if isinstance(each, StarExpr) else 1 for each in expression.items)


def is_static(expression: Expression) -> bool:
    """Return True for the name ``staticmethod``."""
    return isinstance(expression, NameExpr | MemberExpr) and expression.name == "staticmethod"


def signature_of(function: Function) -> Signature:
    """Return the signature of a function that mypy has read."""
    parameters = []
    for each in function.arguments:
        default = inspect.Parameter.empty if each.initializer is None else each.initializer
        kind = KINDS.get(each.kind, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        parameters.append(inspect.Parameter(each.variable.name, kind, default=default))
    found = (each.expr for each in all_return_statements(function))
    return Signature(parameters, [len(each.items) for each in found if isinstance(each, TupleExpr) and is_plain(each)])


def is_plain(expression: TupleExpr) -> bool:
    """Return True for a tuple whose elements can be counted."""
    return not any(isinstance(each, StarExpr) for each in expression.items)
