"""Comparisons with the best score so far, and callbacks that choose."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Program
from bridle_audit.static.dataflow.identifiers import BEST, TRAINING, VALIDATION, has_word, names_test_data
from bridle_audit.static.dataflow.tracing import reachable_calls, reaching_values, target_names

CURE = (
    "x_train, x_valid, y_train, y_valid = train_test_split(x_train, y_train)  # choose on these; test once, at the end"
)

SAVING = re.compile(r"saving|save[drs]?(?:model|weight|state|checkpoint|ckpt|best)?s?")  # and not "savefig"


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for an epoch or checkpoint that is chosen by a score on test data."""
    for test in program.nodes(ast.If):
        score = compared_score(test)
        if score is not None and keeps_best(program, test) and is_test_score(program, score):
            yield make_finding(
                program, test.test, f"the best epoch is chosen by {program.source(score)}, a score on the test data"
            )
    yield from keras_findings(program)
    yield from trainer_findings(program)


def compared_score(test: ast.If) -> ast.expr | None:
    """Return the score in ``score > best``; None if a test is not of that form."""
    compare = test.test
    if not isinstance(compare, ast.Compare) or len(compare.ops) != 1:
        return None
    sides = [compare.left, compare.comparators[0]]
    if not isinstance(compare.ops[0], ast.Gt | ast.Lt | ast.GtE | ast.LtE):
        return None
    others = [each for each in sides if not has_word(each, BEST)]
    return others[0] if len(others) == 1 and isinstance(others[0], ast.Name | ast.Attribute | ast.Subscript) else None


def keeps_best(program: Program, test: ast.If) -> bool:
    """Return True if a branch records the best score, and then keeps weights or counts patience."""
    best = any(has_word(target, BEST) for each in test.body if isinstance(each, ast.Assign) for target in each.targets)
    if not best:
        return False
    body = ast.Module(test.body, [])
    keeps = reachable_calls(
        program, body, "state_dict", "save", "deepcopy", "save_pretrained", "save_model", "save_checkpoint"
    )
    counts = any(isinstance(each, ast.Break) for each in ast.walk(test)) or bool(patience_counters(test))
    return bool(keeps) or has_word(body, SAVING) or counts


def patience_counters(test: ast.If) -> list[ast.AugAssign]:
    """Return the counters of epochs without a better score in the ``else`` branch."""
    return [each for each in test.orelse if isinstance(each, ast.AugAssign)]


def is_test_score(program: Program, score: ast.expr) -> bool:
    """Return True if a score is one on test data, by its name or by its computation."""
    if names_test_data(score):
        return True
    if not isinstance(score, ast.Name) or names_other_split(score):
        return False
    made = reaching_values(program, score)
    return bool(made) and all(names_test_data(each) or is_summed_over_test(program, each) for each in made)


def names_other_split(score: ast.Name) -> bool:
    """Return True if a name says that a score is one on training or validation data."""
    return has_word(score, VALIDATION) or has_word(score, TRAINING)


def is_summed_over_test(program: Program, made: ast.expr) -> bool:
    """Return True if a value is computed from sums over test data, as in ``correct / total``."""
    held = {each.id for each in ast.walk(made) if isinstance(each, ast.Name)}
    home = program.function_of(made)
    loops = [each for each in program.nodes(ast.For) if program.function_of(each) is home]
    summing = [each for each in loops if held & set().union(*(accumulated_names(inner) for inner in ast.walk(each)))]
    inner = [each for each in summing if not any(other is not each and is_within(other, each) for other in summing)]
    return bool(inner) and all(names_test_data(each.iter) for each in inner)


def is_within(node: ast.AST, around: ast.AST) -> bool:
    """Return True if a node is another one or a descendant of it."""
    return any(each is node for each in ast.walk(around))


def accumulated_names(node: ast.AST) -> set[str]:
    """Return the variables that a statement adds to."""
    return target_names(node.target) if isinstance(node, ast.AugAssign) else set()


def keras_findings(program: Program) -> Iterator[Finding]:
    """Yield a finding for each Keras ``fit`` that stops or saves by a score on test data."""
    if not program.calls("keras.callbacks.EarlyStopping", "keras.callbacks.ModelCheckpoint"):
        return
    for call in program.calls("method:fit"):
        data = call.argument(None, "validation_data")
        if (
            data is not None
            and call.states(None, "callbacks")
            and names_test_data(data)
            and has_selecting_callback(program)
        ):
            yield make_finding(program, data, f"the epoch is chosen on {program.source(data)}, the test data")


def has_selecting_callback(program: Program) -> bool:
    """Return True if a Keras callback stops early or saves only the best weights."""
    stops = program.calls("keras.callbacks.EarlyStopping")
    keeps = (each.value(None, "save_best_only", False) for each in program.calls("keras.callbacks.ModelCheckpoint"))
    return bool(stops) or any(each is True for each in keeps)


def trainer_findings(program: Program) -> Iterator[Finding]:
    """Yield a finding for each Lightning or Hugging Face trainer that chooses by test data."""
    best = any(
        each.value(None, "load_best_model_at_end", False) is True
        for each in program.calls("transformers.TrainingArguments")
    )
    for call in program.calls("transformers.Trainer", "transformers.Seq2SeqTrainer"):
        data = call.argument(None, "eval_dataset")
        if data is not None and is_test_split(data) and (best or program.calls("transformers.EarlyStoppingCallback")):
            yield make_finding(program, data, f"the checkpoint is chosen on {program.source(data)}, the test data")
    stops = [
        each for each in program.all_calls if each.name.startswith("lightning.") and each.name.endswith("EarlyStopping")
    ]
    for call in program.calls("method:fit"):
        data = call.argument(2, "val_dataloaders")
        if data is not None and stops and names_test_data(data):
            yield make_finding(program, data, f"training stops by {program.source(data)}, the test data")


def is_test_split(data: ast.expr) -> bool:
    """Return True for test data, by its name or as ``dataset["test"]``."""
    constant = data.slice if isinstance(data, ast.Subscript) else None
    return names_test_data(data) or (isinstance(constant, ast.Constant) and constant.value == "test")


def make_finding(program: Program, node: ast.AST, message: str) -> Finding:
    """Return the finding for a test score or test data that chooses the epoch."""
    return Finding(program.source(node), message, CURE, location=program.location(node))
