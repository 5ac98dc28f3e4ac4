"""Comparisons with the best score so far, and callbacks that choose."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Program
from bridle_audit.static.dataflow.identifiers import BEST, has_word, names, names_test_data
from bridle_audit.static.dataflow.tracing import reachable_calls, reaching_values, target_names

CURE = (
    "x_train, x_valid, y_train, y_valid = train_test_split(x_train, y_train)  # choose on these; test once, at the end"
)


def check(program: Program) -> Iterator[Finding]:
    """Comparisons with the best score so far, and callbacks that choose."""
    for test in program.nodes(ast.If):
        score = compared_score(test)
        if score is not None and chooses(program, test) and scored_on_test(program, score):
            yield finding(
                program, test.test, f"the best epoch is chosen by {program.source(score)}, a score on the test data"
            )
    yield from keras(program)
    yield from trainer(program)


def compared_score(test: ast.If) -> ast.expr | None:
    """The score in ``score > best``."""
    compare = test.test
    if not isinstance(compare, ast.Compare) or len(compare.ops) != 1:
        return None
    sides = [compare.left, compare.comparators[0]]
    if not isinstance(compare.ops[0], ast.Gt | ast.Lt | ast.GtE | ast.LtE):
        return None
    others = [each for each in sides if not has_word(each, BEST)]
    return others[0] if len(others) == 1 and isinstance(others[0], ast.Name | ast.Attribute | ast.Subscript) else None


def chooses(program: Program, test: ast.If) -> bool:
    """Whether the best score is noted and something is done with it: weights are kept, patience is counted."""
    best = any(has_word(target, BEST) for each in test.body if isinstance(each, ast.Assign) for target in each.targets)
    if not best:
        return False
    body = ast.Module(test.body, [])
    keeps = reachable_calls(
        program, body, "state_dict", "save", "deepcopy", "save_pretrained", "save_model", "save_checkpoint"
    )
    counts = any(isinstance(each, ast.Break) for each in ast.walk(test)) or bool(counters(test))
    return bool(keeps) or any("save" in name for name in names(body)) or counts


def counters(test: ast.If) -> list[ast.AugAssign]:
    """Where the other branch counts epochs without a better score."""
    return [each for each in test.orelse if isinstance(each, ast.AugAssign)]


def scored_on_test(program: Program, score: ast.expr) -> bool:
    """Whether a score is one on test data, by its name, or by what it is made of."""
    if names_test_data(score):
        return True
    if not isinstance(score, ast.Name) or speaks_of_others(score):
        return False
    made = reaching_values(program, score)
    return bool(made) and all(names_test_data(each) or summed_over_test(program, each) for each in made)


def speaks_of_others(score: ast.Name) -> bool:
    """Whether the name says that it is something else."""
    return any(word in score.id.lower() for word in ("val", "valid", "dev", "train"))


def summed_over_test(program: Program, made: ast.expr) -> bool:
    """Whether a value is made of what is summed in loops over test data: ``correct / total``."""
    held = {each.id for each in ast.walk(made) if isinstance(each, ast.Name)}
    home = program.function_of(made)
    loops = [each for each in program.nodes(ast.For) if program.function_of(each) is home]
    summing = [each for each in loops if held & set().union(*(summed(inner) for inner in ast.walk(each)))]
    inner = [each for each in summing if not any(other is not each and within(other, each) for other in summing)]
    return bool(inner) and all(names_test_data(each.iter) for each in inner)


def within(node: ast.AST, around: ast.AST) -> bool:
    """Whether a node is below another."""
    return any(each is node for each in ast.walk(around))


def summed(node: ast.AST) -> set[str]:
    """The variables that a statement adds to."""
    return target_names(node.target) if isinstance(node, ast.AugAssign) else set()


def keras(program: Program) -> Iterator[Finding]:
    """A fit with callbacks that choose, validated on test data."""
    if not program.calls("keras.callbacks.EarlyStopping", "keras.callbacks.ModelCheckpoint"):
        return
    for call in program.calls("method:fit"):
        data = call.argument(None, "validation_data")
        if data is not None and call.states(None, "callbacks") and names_test_data(data) and picks(program):
            yield finding(program, data, f"the epoch is chosen on {program.source(data)}, the test data")


def picks(program: Program) -> bool:
    """Whether a callback stops or keeps the best."""
    stops = program.calls("keras.callbacks.EarlyStopping")
    keeps = (each.value(None, "save_best_only", False) for each in program.calls("keras.callbacks.ModelCheckpoint"))
    return bool(stops) or any(each is True for each in keeps)


def trainer(program: Program) -> Iterator[Finding]:
    """A trainer of Lightning or Hugging Face that stops or keeps the best by test data."""
    best = any(
        each.value(None, "load_best_model_at_end", False) is True
        for each in program.calls("transformers.TrainingArguments")
    )
    for call in program.calls("transformers.Trainer", "transformers.Seq2SeqTrainer"):
        data = call.argument(None, "eval_dataset")
        if data is not None and about_test_part(data) and (best or program.calls("transformers.EarlyStoppingCallback")):
            yield finding(program, data, f"the checkpoint is chosen on {program.source(data)}, the test data")
    stops = [
        each for each in program.all_calls if each.name.startswith("lightning.") and each.name.endswith("EarlyStopping")
    ]
    for call in program.calls("method:fit"):
        data = call.argument(2, "val_dataloaders")
        if data is not None and stops and names_test_data(data):
            yield finding(program, data, f"training stops by {program.source(data)}, the test data")


def about_test_part(data: ast.expr) -> bool:
    """The same, for ``dataset["test"]``."""
    constant = data.slice if isinstance(data, ast.Subscript) else None
    return names_test_data(data) or (isinstance(constant, ast.Constant) and constant.value == "test")


def finding(program: Program, node: ast.AST, message: str) -> Finding:
    """What is said in every form."""
    return Finding(program.source(node), message, CURE, location=program.location(node))
