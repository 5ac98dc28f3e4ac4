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
    """Yield a finding for comparisons without a loop over seeds."""
    for call in program.calls("bridle.compare"):
        seeds = call.value(2, "seeds", 5)
        if seeds == 1 or (isinstance(seeds, list | tuple) and len(seeds) == 1):
            yield Finding(call.name, "all recipes are compared under one seed", CURE, location=call.location)
    if repeats_over_seeds(program):
        return
    yield from strength_sweeps(program)
    yield from repeated_trainings(program)


def repeats_over_seeds(program: Program) -> bool:
    """Return True if the file loops over seeds, folds or runs."""
    loops = [(each.target, each.iter) for each in program.nodes(ast.For)]
    loops += [(each.target, each.iter) for each in program.nodes(ast.comprehension)]
    return any(REPEATS & set(words(target)) or MANY & set(words(over)) for target, over in loops)


def strength_sweeps(program: Program) -> Iterator[Finding]:
    """Yield a finding for each loop over literal strengths that trains in every iteration."""
    for node, target, over in iterations(program):
        values = program.value(over)
        strengths = STRENGTHS & set(words(target))
        several = (
            isinstance(values, list | tuple)
            and len(values) > 1
            and all(isinstance(each, int | float) for each in values)
        )
        if (
            several
            and (strengths or is_passed_as_strength(program, node, target_names(target)))
            and reaches_training(program, node)
        ):
            yield Finding(
                program.source(target),
                f"{len(values)} strengths are compared, {ONCE}",
                LOOP,
                {"strengths": len(values)},
                location=program.location(over),
            )


def iterations(program: Program) -> Iterator[tuple[ast.AST, ast.expr, ast.expr]]:
    """Yield the node, the target and the iterable of each loop and comprehension."""
    yield from ((each, each.target, each.iter) for each in program.nodes(ast.For))
    for each in program.nodes(ast.comprehension):
        around = program.parent(each)
        if around is not None:
            yield around, each.target, each.iter


def is_passed_as_strength(program: Program, node: ast.AST, held: set[str], depth: int = 2) -> bool:
    """Return True if one of the variables is passed as a strength: ``Dropout(p)``, ``weight_decay=value``."""
    for call in (each for each in ast.walk(node) if isinstance(each, ast.Call)):
        given = [each.arg or "" for each in call.keywords if held & variables_in(each.value)]
        given += [
            name
            for name, each in zip(parameter_names(program, call), call.args, strict=False)
            if held & variables_in(each)
        ]
        if any(STRENGTHS & set(words(each)) for each in given):
            return True
        function = definition_of(program, call) if given and depth else None
        if function is not None and is_passed_as_strength(program, function, set(given), depth - 1):
            return True
    return False


def parameter_names(program: Program, call: ast.Call) -> list[str]:
    """Return the parameter names of the function or class that is called; ``dropout`` for a dropout."""
    name = program.resolve(call.func) or ""
    if "Dropout" in name.rpartition(".")[2]:
        return ["dropout"]
    owner = next((each for each in program.classes if each.name == name), None)
    function = next((each for each in methods(owner) if each.name == "__init__"), None) or definition_of(program, call)
    names = [each.arg for each in function.args.args] if function is not None else []
    return names[1:] if names[:1] == ["self"] else names


def variables_in(node: ast.AST) -> set[str]:
    """Return the variables in an expression."""
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def reaches_training(program: Program, node: ast.AST) -> bool:
    """Return True if code reaches a call of ``backward``, ``fit`` or ``train_model``."""
    return bool(reachable_calls(program, node, "backward", "fit", "train_model"))


def repeated_trainings(program: Program) -> Iterator[Finding]:
    """Yield a finding for each training function that is called for networks regularized differently."""
    for name in [each.name for each in program.trainings if each.name]:
        made = [each for each in program.calls(name) if not each.loops]
        several = len(made) > 1 and len({each.function for each in made}) == 1 and network_count(program) >= len(made)
        if several and configuration_count(program) > 1 and evaluation_count(program) > 1:
            yield Finding(
                name,
                f"{len(made)} ways to train are compared, {ONCE}",
                LOOP,
                {"trained": len(made)},
                location=made[1].location,
            )


def network_count(program: Program) -> int:
    """Return the number of networks that the file creates."""
    names = [each.name for each in program.networks if not each.is_part]
    return len(program.calls(*names)) + sum(isinstance(each.node, ast.Assign) for each in program.networks)


def configuration_count(program: Program) -> int:
    """Return the number of weight decays times the number of combinations of regularizing layers."""
    decays = {each.decay for each in program.optimizers if isinstance(each.decay, int | float | None)}
    networks = {frozenset(op.kind for op in each.flow) & LAYERS for each in program.networks if not each.is_part}
    return len(decays) * len(networks)


def evaluation_count(program: Program) -> int:
    """Return the number of evaluations outside of loops."""
    names = {each.name for each in program.evaluations if each.name}
    return sum(not each.loops for each in program.calls(*names)) if names else 0
