"""Comparisons without a loop over seeds."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.one_seed.finding import CURE
from bridle_audit.static import Program
from bridle_audit.static.dataflow.identifiers import words
from bridle_audit.static.dataflow.tracing import definition_of, methods, reachable_calls, target_names

LOOP = "for seed in range(5):\n    torch.manual_seed(seed)  # then build, train and score each; compare seed by seed"
ONCE = "each trained once: whether they differ by more than chance cannot be said"
REPEATS = {"seed", "fold", "trial", "repeat", "repetition", "run"}
MANY = {"seeds", "folds", "trials", "repeats", "repetitions", "runs", "kfold", "kf", "skf"}
STRENGTHS = {"decay", "decays", "wd", "dropout", "drop", "smoothing", "lambda", "lam", "reg", "penalty", "strength"}
LAYERS = frozenset({"dropout", "batch_norm", "norm", "drop_path"})


def check(program: Program) -> Iterator[Finding]:
    """Comparisons without a loop over seeds."""
    for call in program.calls("bridle.compare"):
        seeds = call.value(2, "seeds", 5)
        if seeds == 1 or (isinstance(seeds, list | tuple) and len(seeds) == 1):
            yield Finding(call.name, "all recipes are compared under one seed", CURE, location=call.location)
    if speaks_of_seeds(program):
        return
    yield from swept(program)
    yield from repeated(program)


def speaks_of_seeds(program: Program) -> bool:
    """Whether anything is repeated over seeds, folds or runs."""
    loops = [(each.target, each.iter) for each in program.nodes(ast.For)]
    loops += [(each.target, each.iter) for each in program.nodes(ast.comprehension)]
    return any(REPEATS & set(words(target)) or MANY & set(words(over)) for target, over in loops)


def swept(program: Program) -> Iterator[Finding]:
    """A loop over strengths that are written out, with a training in each round."""
    for node, target, over in sweeps(program):
        values = program.value(over)
        strengths = STRENGTHS & set(words(target))
        several = (
            isinstance(values, list | tuple)
            and len(values) > 1
            and all(isinstance(each, int | float) for each in values)
        )
        if several and (strengths or is_strength(program, node, target_names(target))) and trains(program, node):
            yield Finding(
                program.source(target),
                f"{len(values)} strengths are compared, {ONCE}",
                LOOP,
                {"strengths": len(values)},
                location=program.location(over),
            )


def sweeps(program: Program) -> Iterator[tuple[ast.AST, ast.expr, ast.expr]]:
    """Loops and comprehensions: the node, its variable, and what it goes over."""
    yield from ((each, each.target, each.iter) for each in program.nodes(ast.For))
    for each in program.nodes(ast.comprehension):
        around = program.parent(each)
        if around is not None:
            yield around, each.target, each.iter


def is_strength(program: Program, node: ast.AST, held: set[str], depth: int = 2) -> bool:
    """Whether one of some variables is given to something as a strength: ``Dropout(p)``, ``weight_decay=value``."""
    for call in (each for each in ast.walk(node) if isinstance(each, ast.Call)):
        given = [each.arg or "" for each in call.keywords if held & names_in(each.value)]
        given += [
            name for name, each in zip(arguments_of(program, call), call.args, strict=False) if held & names_in(each)
        ]
        if any(STRENGTHS & set(words(each)) for each in given):
            return True
        function = definition_of(program, call) if given and depth else None
        if function is not None and is_strength(program, function, set(given), depth - 1):
            return True
    return False


def arguments_of(program: Program, call: ast.Call) -> list[str]:
    """The names of the arguments of what is called: a function or class of the file, or a dropout."""
    name = program.resolve(call.func) or ""
    if "Dropout" in name.rpartition(".")[2]:
        return ["dropout"]
    owner = next((each for each in program.classes if each.name == name), None)
    function = next((each for each in methods(owner) if each.name == "__init__"), None) or definition_of(program, call)
    names = [each.arg for each in function.args.args] if function is not None else []
    return names[1:] if names[:1] == ["self"] else names


def names_in(node: ast.AST) -> set[str]:
    """The variables in an expression."""
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def trains(program: Program, node: ast.AST) -> bool:
    """Whether a training is reached from here: a ``backward``, or a ``fit``."""
    return bool(reachable_calls(program, node, "backward", "fit", "train_model"))


def repeated(program: Program) -> Iterator[Finding]:
    """The same training function called several times in a row, for networks that are regularized in different ways."""
    for name in [each.name for each in program.trainings if each.name]:
        made = [each for each in program.calls(name) if not each.loops]
        several = len(made) > 1 and len({each.function for each in made}) == 1 and networks_made(program) >= len(made)
        if several and ways(program) > 1 and scores(program) > 1:
            yield Finding(
                name,
                f"{len(made)} ways to train are compared, {ONCE}",
                LOOP,
                {"trained": len(made)},
                location=made[1].location,
            )


def networks_made(program: Program) -> int:
    """How many networks the file makes."""
    names = [each.name for each in program.networks if not each.is_part]
    return len(program.calls(*names)) + sum(isinstance(each.node, ast.Assign) for each in program.networks)


def ways(program: Program) -> int:
    """In how many ways the file regularizes: decays of its optimizers times kinds of layers in its networks."""
    decays = {each.decay for each in program.optimizers if isinstance(each.decay, int | float | None)}
    networks = {frozenset(op.kind for op in each.flow) & LAYERS for each in program.networks if not each.is_part}
    return len(decays) * len(networks)


def scores(program: Program) -> int:
    """How often something is scored, outside of loops."""
    names = {each.name for each in program.evaluations if each.name}
    return sum(not each.loops for each in program.calls(*names)) if names else 0
