"""The model is validated in training mode: dropout draws noise, and batch norm learns from the validation data.

What it finds:
    Passes without gradients, behind the first step of the optimizer, in which dropout or batch norm were in training
    mode. Counted while the loop runs. What is done on purpose is left out: batch norm whose momentum is another than
    at the start (``update_bn``), one batch three times or more (samples under dropout), dropout alone in training mode
    within a model in evaluation mode, batches that have a pass with gradients too, and passes that belong to nearly
    every step, as those of a GAN's generator do. In a file: a model with dropout or batch norm that is scored without
    gradients, where no ``eval()`` is called before, by a caller, or in what is called.

Why it hurts:
    ``torch.no_grad()`` only saves memory; it is ``model.eval()`` that changes what layers do. Without it the score is
    that of a thinned network, too low and another one each time, and each row's output depends on the rows beside it.
    What is worse: every validation batch moves the running statistics of batch norm, so that the model that is kept
    has seen the validation data.

Example:
    import torch
    from torch import nn

    import bridle

    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.randn(64, 1)
    model = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters())
    with bridle.watch(model, optimizer) as watcher:
        for epoch in range(3):
            for rows in torch.arange(48).split(16):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
                optimizer.step()
            with torch.no_grad():
                valid_loss = nn.functional.mse_loss(model(x[48:]), y[48:])

Use instead:
    import torch
    from torch import nn

    import bridle

    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.randn(64, 1)
    model = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters())
    with bridle.watch(model, optimizer) as watcher:
        for epoch in range(3):
            model.train()
            for rows in torch.arange(48).split(16):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                valid_loss = nn.functional.mse_loss(model(x[48:]), y[48:])

References:
    wolny/pytorch-3dunet, issue 53, https://github.com/wolny/pytorch-3dunet/issues/53
    udacity/deep-learning-v2-pytorch, issue 3: so did a course, https://github.com/udacity/deep-learning-v2-pytorch/issues/3
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import described
from bridle_audit.static import Evaluation, Program
from bridle_audit.static.dataflow.modes import mode_matters, starts_in_evaluation
from bridle_audit.static.dataflow.tracing import Function, loops_around
from bridle_audit.static.dataflow.wording import words
from bridle_audit.watch.record import QuietSeen, Record

SEVERITY = "error"
CURE = "model.eval()  # in front of the validation; and model.train() behind it"
ON_PURPOSE = {
    "mc",
    "monte",
    "uncertainty",
    "stochastic",
    "bn",
    "calibrate",
    "statistics",
    "stats",
    "teacher",
    "target",
    "ema",
}
MOST = 0.5  # of the gaps between steps: where more have such passes, these are part of the step


def watched(record: Record) -> Iterator[Finding]:
    """Passes without gradients in training mode."""
    quiet = record.quiet
    if not quiet.passes or belongs_to_the_step(quiet, record.steps):
        return
    layers = [each for each in record.layers if each.quiet]
    effects = ["dropout drew noise in them"] if any(each.kind == "dropout" for each in layers) else []
    if quiet.moves:
        effects.append(f"they moved the running statistics of norms {quiet.moves} times")
    elif any(each.kind == "norm" for each in layers):
        effects.append("norms took each batch's own statistics")
    yield Finding(
        described([each.name or "the model" for each in layers]),
        f"{quiet.passes} {'pass' if quiet.passes == 1 else 'passes'} without gradients ran in training mode: "
        + ", and ".join(effects),
        CURE,
        {"passes": quiet.passes, "moves of running statistics": quiet.moves},
    )


def belongs_to_the_step(quiet: QuietSeen, steps: int) -> bool:
    """Whether most steps have such passes, and not on one and the same tensor, as validation in one batch would."""
    return quiet.gaps > MOST * steps and quiet.fixed < MOST * quiet.gaps


def read(program: Program) -> Iterator[Finding]:
    """Scores of a model for which nothing calls ``eval()``: here, before, in a caller, or in what is called."""
    for evaluation in program.evaluations:
        model = evaluation.calls[0].node.func
        if evaluation.calls_eval or ON_PURPOSE & {*words(evaluation.name), *words(model)}:
            continue
        if is_open(program, evaluation) or is_part_of_step(program, evaluation) or starts_in_evaluation(program, model):
            continue
        if mode_matters(program, model):
            yield Finding(
                evaluation.model,
                "the model is scored in training mode: no eval() is called on the way here, so dropout draws noise and "
                "batch norm takes the statistics of each batch",
                CURE,
                place=evaluation.place,
            )


def is_open(program: Program, evaluation: Evaluation) -> bool:
    """Whether nothing in the file calls its function: a caller may well call ``eval()``; or nothing trains."""
    home = evaluation.node if isinstance(evaluation.node, Function) else program.function_of(evaluation.node)
    trains = any(each.node is home for each in program.trainings)
    trained = program.trainings or program.calls("method:train")
    return not trained or (home is not None and not trains and not evaluation.callers)


def is_part_of_step(program: Program, evaluation: Evaluation) -> bool:
    """Whether it comes before a ``backward`` in the same round of a loop: it may make targets for it."""
    loops = loops_around(program, evaluation.node)
    function = program.function_of(evaluation.node)
    steps = [
        each for each in program.calls("method:backward") if each.function is function and each.loops[:1] == loops[:1]
    ]
    return bool(loops) and any(each.node.lineno > evaluation.calls[0].node.lineno for each in steps)
