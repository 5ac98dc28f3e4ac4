"""Subjects of names in a program: test data, validation data, the best so far."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

__all__ = ["BEST", "EVALUATION", "TEST", "TRAINING", "VALIDATION", "has_word", "names_test_data", "words"]

# What a word of a name begins with when it speaks of one of the parts of the data. Words end at underscores, at digits
# and where capitals begin; "testloader" is one word, "latest" is none of these, nor is "value".
DATA = "(?:(?:loader|set|data|ds|dl|iter|batch|batche|acc|losse?|score|x|y|input|label|image|epoch)s?)?"
TEST = re.compile(rf"tests?{DATA}|testing")
VALIDATION = re.compile(rf"(?:val|valid|dev){DATA}|validat\w+|holdout")
EVALUATION = re.compile(r"eval\w*")
TRAINING = re.compile(rf"(?:train|tr){DATA}|training")
BEST = re.compile(r"best\w*|lowest|highest|minimum|maximum")
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def words(node: ast.AST | str) -> list[str]:
    """The words of all names within an expression, in lower case.

    >>> words(ast.parse("self.testLoader[best_val_acc]"))
    ['self', 'test', 'loader', 'best', 'val', 'acc']
    """
    return [word.lower() for name in names(node) for word in WORD.findall(name)]


def names(node: ast.AST | str) -> Iterator[str]:
    """The names of variables, attributes, arguments and definitions within a node, in order."""
    if isinstance(node, str):
        yield node
        return
    for each in in_order(node):
        if isinstance(each, ast.Name):
            yield each.id
        elif isinstance(each, ast.Attribute):
            yield each.attr


def in_order(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all below it, inner ones first, as they are read from left to right."""
    for child in ast.iter_child_nodes(node):
        yield from in_order(child)
    yield node


def has_word(node: ast.AST | str, kind: re.Pattern[str]) -> bool:
    """Return True if a word of the names in an expression is one of a set.

    >>> has_word("testloader", TEST), has_word("latest_value", TEST), has_word("value", VALIDATION)
    (True, False, False)
    """
    return any(kind.fullmatch(each) for each in words(node))


def names_test_data(node: ast.AST | str) -> bool:
    """Return True if an expression names test data and no validation data."""
    return has_word(node, TEST) and not has_word(node, VALIDATION) and not has_word(node, TRAINING)
