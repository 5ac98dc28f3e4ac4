"""The models of a program: which they are, and whether they have batch norm, or act by their mode at all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bridle_audit.static.constants.folding import is_number
from bridle_audit.static.dataflow.dropping import training_rates
from bridle_audit.static.dataflow.tracing import constructor_call, constructor_name, passed_arguments
from bridle_audit.static.facts.calls import Call, call_of
from bridle_audit.static.interpreter import Network, Op
from bridle_audit.static.program import Program

__all__ = ["has_batch_norm", "has_mode_dependent_layers", "may_start_in_evaluation", "model_name", "network_of"]

# Models of Hugging Face whose usual configurations drop, by 0.1.
DROPPING = re.compile(
    r"transformers\.(?:AutoModelFor(?:SequenceClassification|TokenClassification|QuestionAnswering|MultipleChoice|MaskedLM)"
    r"|(?:Bert|DistilBert|Roberta|Electra|Deberta|DebertaV2|GPT2|Bart|T5)\w*)\.from_pretrained"
)
# Models of libraries that have batch norm.
WITH_BATCH_NORM = re.compile(
    r"(?:wide_)?resne[xs]?t|resnext|densenet|mobilenet|efficientnet|shufflenet|googlenet|inception|mnasnet|regnet|vgg\d+_bn"
)
ALWAYS = ("batch_norm", "noise")


def depends_on_mode(op: Op) -> bool:
    """Return True if an op behaves differently in training and in evaluation mode."""
    if op.kind in ALWAYS:
        return op.value(None, "track_running_stats", True) is not False
    if op.name == "torch.nn.functional.scaled_dot_product_attention":  # which drops in either mode
        return False
    return any(is_number(rate) and rate != 0 for rate in training_rates(op))


def has_mode_dependent_layers(program: Program, model: ast.expr) -> bool:
    """Return True if a model has mode-dependent layers; for an unknown one, if all networks of the file have."""
    network = network_of(program, model)
    if network is not None:
        return any(depends_on_mode(each) or is_library_op(each) for each in all_ops(network.flow))
    made = constructor_call(program, model)
    if made is not None:
        drops = DROPPING.match(program.resolve(made.func) or "") is not None
        return drops or is_library_batch_norm(call_of(program, made))
    whole = [each for each in program.networks if not each.is_part]
    return bool(whole) and all(any(map(depends_on_mode, all_ops(each.flow))) for each in whole)


def may_start_in_evaluation(program: Program, model: ast.expr) -> bool:
    """Return True if a model may come in evaluation mode, as from ``from_pretrained`` or ``torch.load``."""
    made = constructor_call(program, model)
    name = (program.resolve(made.func) or "") if made is not None else ""
    return name.endswith((".from_pretrained", "torch.load", "torch.jit.load"))


def model_name(program: Program, model: ast.expr) -> str:
    """A model's name where it is used: for the argument of a function, what its one caller gives."""
    named = passed_arguments(program, model) if isinstance(model, ast.Name) else []
    return program.source(named[0]) if len(named) == 1 else program.source(model)


def has_batch_norm(program: Program, model: ast.expr | None) -> bool:
    """Return True if a model has batch norm: by its network in this file, or by a library model's name."""
    made = constructor_call(program, model) if model is not None else None
    network = network_of(program, model) if model is not None else None
    if network is not None:
        return any(each.kind == "batch_norm" or is_library_op(each) for each in all_ops(network.flow))
    name = program.resolve(made.func) if made is not None else None
    if made is not None and name is not None and not is_local(program, name):
        return is_library_batch_norm(call_of(program, made))
    return bool(program.calls("torch.nn.BatchNorm*", "torch.nn.SyncBatchNorm", "torch.nn.LazyBatchNorm*"))


def is_local(program: Program, name: str) -> bool:
    """Return True if the file defines a class or function of this name."""
    return any(each.name == name for each in [*program.classes, *program.functions])


def is_library_op(op: Op) -> bool:
    """Return True if an op is a library's model with batch norm."""
    return op.call is not None and is_library_batch_norm(op.call)


def is_library_batch_norm(call: Call) -> bool:
    """Return True if a call makes a library's model with batch norm."""
    if call.name.startswith("torchvision.models."):
        return WITH_BATCH_NORM.match(call.name.rpartition(".")[2]) is not None
    name = call.value(0, "model_name") if call.name == "timm.create_model" else None
    return isinstance(name, str) and WITH_BATCH_NORM.match(name) is not None


def network_of(program: Program, model: ast.expr) -> Network | None:
    """The network of the file that a model is."""
    if isinstance(model, ast.Name):
        same = [each for each in program.networks if each.name == model.id and isinstance(each.node, ast.Assign)]
        if same:
            return same[0]
    name = constructor_name(program, model)
    return next((each for each in program.networks if each.name == name), None)


def all_ops(flow: tuple[Op, ...]) -> Iterator[Op]:
    """All ops of a flow, with those of its branches."""
    for each in flow:
        yield each
        for branch in each.branches:
            yield from all_ops(branch)
