"""What the tests of flows share."""

from collections.abc import Iterable

from bridle_audit.static import Op, Program, read_source


def program(code: str) -> Program:
    """Read a program behind the usual imports; its lines start at 1 as the tests write them."""
    return read_source(f"import torch; from torch import nn, optim; import torch.nn.functional as F\n{code.strip()}")


def kinds(ops: Iterable[Op]) -> str:
    """Return the kinds of the operations in one text."""
    return " ".join(op.kind.removeprefix("activation:") for op in ops)


def net(forward: str, init: str = "pass", **parts: str) -> str:
    """Return the kinds in the flow of a network with these parts; ``forward`` are the lines of its method."""
    layers = "".join(f"        self.{name} = {layer}\n" for name, layer in parts.items())
    body = "".join(f"        {line}\n" for line in forward.strip().splitlines())
    code = f"class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        {init}\n{layers}"
    found = program(f"{code}    def forward(self, x):\n{body}").networks
    assert [each.name for each in found] == ["Net"]
    return kinds(found[0].flow)
