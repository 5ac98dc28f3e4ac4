"""Ways to regularize are compared under one seed.

What it finds:
    A study with a single seed. In a file: several networks, decays or rates that are trained one after the other and
    scored, without a loop over seeds.

Why it hurts:
    A network that is trained again under another seed scores differently, often by more than the methods differ. In
    the example, five seeds of the plain network lie up to 0.8 points of validation accuracy apart; the first seed says
    that the dropout costs 0.6 points, the second that it costs nothing. One number for each method cannot tell an
    effect from that, and picking the best of many is picking luck.

Example:
    import bridle

    protocol = bridle.Protocol(epochs=20)
    study = bridle.compare("digits", ["Dropout(rate=0.1)"], seeds=1, network=bridle.mlp(64), protocol=protocol)

Use instead:
    import bridle

    protocol = bridle.Protocol(epochs=20)
    study = bridle.compare("digits", ["Dropout(rate=0.1)"], seeds=5, network=bridle.mlp(64), protocol=protocol)

References:
    Bouthillier et al., Accounting for Variance in Machine Learning Benchmarks, 2021, https://arxiv.org/abs/2103.03098
    Picard, torch.manual_seed(3407) Is All You Need, 2021, https://arxiv.org/abs/2109.08203
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle.results import Study
from bridle_audit.findings import Finding
from bridle_audit.static import Program
from bridle_audit.static.dataflow.tracing import calls_within, definition_of, methods, targets
from bridle_audit.static.dataflow.wording import words

SEVERITY = "note"
CURE = "bridle.compare(data, recipes, seeds=5)"
LOOP = "for seed in range(5):\n    torch.manual_seed(seed)  # then build, train and score each; compare seed by seed"
ONCE = "each trained once: whether they differ by more than chance cannot be said"
REPEATS = {"seed", "fold", "trial", "repeat", "repetition", "run"}
MANY = {"seeds", "folds", "trials", "repeats", "repetitions", "runs", "kfold", "kf", "skf"}
STRENGTHS = {"decay", "decays", "wd", "dropout", "drop", "smoothing", "lambda", "lam", "reg", "penalty", "strength"}
LAYERS = frozenset({"dropout", "batch_norm", "norm", "drop_path"})


def study(study: Study) -> Iterator[Finding]:
    """Several contenders, one seed."""
    if len(study.seeds) > 1 or len(study.contenders) < 2:
        return
    means = [each.scores["valid"][study.metric].mean for each in study.contenders]
    yield Finding(
        f"the study of {len(study.contenders)} contenders",
        f"one seed: the contenders lie {max(means) - min(means):.3g} of validation {study.metric} apart, and whether "
        "that is more than chance cannot be said",
        CURE,
        {"seeds": len(study.seeds), "apart": max(means) - min(means)},
    )


def read(program: Program) -> Iterator[Finding]:
    """Comparisons without a loop over seeds."""
    for call in program.calls("bridle.compare"):
        seeds = call.value(2, "seeds", 5)
        if seeds == 1 or (isinstance(seeds, list | tuple) and len(seeds) == 1):
            yield Finding(call.name, "all recipes are compared under one seed", CURE, place=call.place)
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
        if several and (strengths or is_strength(program, node, targets(target))) and trains(program, node):
            yield Finding(
                program.source(target),
                f"{len(values)} strengths are compared, {ONCE}",
                LOOP,
                {"strengths": len(values)},
                place=program.place(over),
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
    return bool(calls_within(program, node, "backward", "fit", "train_model"))


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
                place=made[1].place,
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
