"""Calls of a library's layers, functions and losses, and of Python's own functions."""

from __future__ import annotations

import re
from dataclasses import replace

from bridle_audit.static.facts.calls import Call
from bridle_audit.static.interpreter.abstract_values import (
    TOP,
    AbstractValue,
    Arguments,
    Container,
    Frame,
    LayerValue,
    Named,
    Tensor,
    TupleValue,
)
from bridle_audit.static.interpreter.flow import Op, unknown_op
from bridle_audit.static.interpreter.joins import common_prefix, merge_paths
from bridle_audit.static.interpreter.keras import keras_loss
from bridle_audit.static.interpreter.machine import Machine, application
from bridle_audit.static.interpreter.observations import record_loss
from bridle_audit.static.interpreter.transfers import TRANSFERS, transfer
from bridle_audit.static.libraries.kinds import is_constructor, kind_of

__all__ = ["KNOWN_OPS", "apply_layer", "call_library"]

# These give back what they are given, as far as a network's path is concerned.
WRAPPERS = re.compile(
    r"^torch\.(?:compile|jit\.(?:script|trace|optimize_for_inference)|nn\.(?:DataParallel|parallel\.DistributedDataParallel)"
    r"|autograd\.Variable|clone|as_tensor|nn\.SyncBatchNorm\.convert_sync_batchnorm|nn\.utils\.(?:parametrizations\.)?"
    r"(?:spectral_norm|weight_norm|parametrizations\.\w+)|utils\.checkpoint\.checkpoint_wrapper)$|^copy\.(?:deep)?copy$"
    r"|^torch\.distributed\.fsdp\.|^apex\.parallel\.|^iter$"
)
HEADS = ("fc", "classifier", "head", "heads")  # where libraries' models have their last layers
KNOWN_OPS = re.compile(r"^activation:(?!abs|exp|square|sqrt|log$)|^(?:dropout|linear|conv|batch_norm)$")


@application.register
def call_library(callee: Named, machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """Call a function or class of a library or of Python, by its name."""
    name = callee.name
    if name in TRANSFERS:
        return TRANSFERS[name](machine, arguments, frame)
    if WRAPPERS.match(name):
        return arguments.get(0, "module", "model") or TOP
    kind = kind_of(name)
    call = Call(machine.syntax, arguments.node, name, arguments.known)
    if name.startswith("keras.losses.") and not is_constructor(name):
        return keras_loss(machine, call, arguments, frame)
    if kind.startswith("loss:") and not is_constructor(name):
        record_loss(machine, kind.removeprefix("loss:"), call, arguments, frame)
        return Tensor((Op(machine.syntax, name, kind, arguments.node, call),))
    if is_constructor(name):
        return construct(machine, call, kind, arguments)
    return apply_function(machine, Op(machine.syntax, name, kind, arguments.node, call), arguments)


def construct(machine: Machine, call: Call, kind: str, arguments: Arguments) -> AbstractValue:
    """A layer, loss, model, optimizer, ... is made; what is made of data is what a network returns."""
    if kind == "other" and arguments.tensors():
        kept = {**arguments.keywords, **{str(number): each for number, each in enumerate(arguments.positional)}}
        return machine.container("dict", arguments.node, kept.values(), kept.keys())
    if call.name in ("torch.nn.Identity", "keras.layers.InputLayer"):
        return LayerValue(machine.number(), ())
    ops = (Op(machine.syntax, call.name, kind, call.node, call, is_layer=True), *keras_activation(machine, call))
    return LayerValue(machine.number(), ops)


def keras_activation(machine: Machine, call: Call) -> tuple[Op, ...]:
    """The activation that a layer of Keras has within it."""
    position = {"keras.layers.Activation": 0, "keras.layers.Dense": 1}.get(call.name)
    given = call.argument(position, "activation") if call.name.startswith("keras.layers.") else None
    word = call.value(position, "activation") if given is not None else None
    if given is None or word in (None, "linear"):
        return ()
    name = f"keras.activations.{word}" if isinstance(word, str) else machine.syntax.resolve(given) or "?"
    return (Op(machine.syntax, name, kind_of(name), given, call),)


def apply_layer(machine: Machine, layer: LayerValue, arguments: Arguments, frame: Frame) -> AbstractValue:
    """Data go through a layer; a library's model with a head of the file's own goes on through that."""
    given = data_of(arguments)
    if layer.ops and layer.ops[0].name == "keras.layers.Activation":
        result: AbstractValue = machine.through(given or machine.fresh(arguments.node), *layer.ops[1:])
    elif given is not None:
        result = machine.through(given, *layer.ops)
    else:
        is_model = layer.is_network or (layer.ops and layer.ops[-1].kind in ("other", "transformer"))
        result = Tensor(layer.ops) if is_model and not machine.forwards else machine.fresh(arguments.node, *layer.ops)
    head = next((machine.heap[key] for name in HEADS if (key := (layer.number, name)) in machine.heap), None)
    return machine.invoke(head, Arguments(arguments.node, (result,)), frame) if head is not None else result


def data_of(arguments: Arguments) -> Tensor | None:
    """The data that a layer is given."""
    return next(iter(tensors_in(arguments)), None)


def tensors_in(arguments: Arguments) -> list[Tensor]:
    """The data among the arguments, with those in tuples."""
    found: list[Tensor] = []
    for each in arguments.everything():
        inner = each.items if isinstance(each, TupleValue) else [each]
        found += [item for item in inner if isinstance(item, Tensor)]
    return found


def apply_function(machine: Machine, op: Op, arguments: Arguments) -> AbstractValue:
    """Data go through a function; where it is given several, they meet in it."""
    tensors = tensors_in(arguments)
    for each in arguments.positional[:1]:
        if isinstance(each, Container):
            tensors += [item for _, item in machine.pairs(each) if isinstance(item, Tensor)]
    if not tensors:
        return machine.fresh(arguments.node, op) if KNOWN_OPS.match(op.kind) else TOP
    different = [
        each for number, each in enumerate(tensors) if all(each.ops is not other.ops for other in tensors[:number])
    ]
    if len(different) == 1:
        return machine.through(different[0], op)
    if len(common_prefix([each.ops for each in different])) == 0 and op.kind not in ("concat", "linear", "attention"):
        return machine.through(different[0], op)  # such as a mask beside the data
    return merge_paths(different, replace(op, kind="product") if op.kind == "linear" else op)


@transfer("keras.Model", "keras.models.Model")
def keras_model(machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``keras.Model(inputs, outputs)``: what the outputs went through."""
    del frame
    outputs = arguments.get(1, "outputs")
    if not isinstance(outputs, Tensor):
        return TOP
    return LayerValue(machine.number(), outputs.ops or (unknown_op(machine.syntax, arguments.node),), is_network=True)


@transfer("keras.Input", "keras.layers.Input")
def keras_input(machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``keras.Input(shape)``: where the data start."""
    del machine, arguments, frame
    return Tensor(())
