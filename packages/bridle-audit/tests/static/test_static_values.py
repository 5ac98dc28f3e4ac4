import ast

import pytest

from bridle_audit.static import UNKNOWN, read_source


def asked(code):
    """The program, and what it gives to ``ask``."""
    program = read_source(code)
    call = next(each for each in program.all_calls if program.source(each.node.func) == "ask")
    return program, call.node.args[0]


def value(code):
    program, node = asked(code)
    return program.value(node)


def name(code):
    program, node = asked(code)
    return program.resolve(node)


@pytest.mark.parametrize(
    ("code", "dotted"),
    [
        ("import torch\nask(torch.optim.AdamW)", "torch.optim.AdamW"),
        ("import torch.nn as nn\nask(nn.ReLU)", "torch.nn.ReLU"),
        ("from torch import nn\nask(nn.functional.relu)", "torch.nn.functional.relu"),
        ("import torch.nn.functional as F\nask(F.relu)", "torch.nn.functional.relu"),
        ("from torch.nn import functional as F\nask(F.relu)", "torch.nn.functional.relu"),
        ("from torch.nn.functional import relu as r\nask(r)", "torch.nn.functional.relu"),
        ("from torch import optim\nask(optim.Adam)", "torch.optim.Adam"),
        ("from torch.optim.adam import Adam\nask(Adam)", "torch.optim.Adam"),
        ("import torch.nn.modules.activation as a\nask(a.ReLU)", "torch.nn.ReLU"),
        ("import torch\nask(torch.optim.lr_scheduler.StepLR)", "torch.optim.lr_scheduler.StepLR"),
        ("from torch.nn import *\nask(Dropout)", "torch.nn.Dropout"),
        ("from torch.nn.functional import *\nask(cross_entropy)", "torch.nn.functional.cross_entropy"),
        ("from torch.optim import *\nask(SGD)", "torch.optim.SGD"),
        ("from elsewhere import *\nask(SGD)", None),
        ("from tensorflow.keras import layers\nask(layers.Dense)", "keras.layers.Dense"),
        ("import tensorflow as tf\nask(tf.keras.layers.Dense)", "keras.layers.Dense"),
        ("import keras\nask(keras.layers.Dense)", "keras.layers.Dense"),
        ("import pytorch_lightning as pl\nask(pl.LightningModule)", "lightning.LightningModule"),
        ("import lightning.pytorch as pl\nask(pl.LightningModule)", "lightning.LightningModule"),
        ("import lightning as L\nask(L.LightningModule)", "lightning.LightningModule"),
        ("from transformers.optimization import AdamW\nask(AdamW)", "transformers.AdamW"),
        ("from torch import nn\nLayer = nn.Linear\nask(Layer)", "torch.nn.Linear"),
        ("import torch\nnn = torch.nn\nask(nn.Linear)", "torch.nn.Linear"),
        ("from torch import nn\nif x:\n    A = nn.ReLU\nelse:\n    A = nn.GELU\nask(A)", None),
        ("from torch import nn\ndef f(nn):\n    ask(nn.ReLU)", None),
        ("def f():\n    from torch import nn\n    ask(nn.ReLU)", "torch.nn.ReLU"),
        ("from torch import nn\nclass A(nn.Module):\n    def f(self):\n        ask(nn.ReLU)", "torch.nn.ReLU"),
        (
            "try:\n    from apex.optimizers import FusedAdam as A\nexcept ImportError:\n    A = None\nask(A)",
            "apex.optimizers.FusedAdam",
        ),
        ("from .model import Net\nask(Net)", ".model.Net"),
        ("from . import model\nask(model.Net)", ".model.Net"),
        ("class Net: ...\nask(Net)", "Net"),
        ("class Net: ...\nclass Net: ...\nask(Net)", "Net"),
        ("ask(print)", "print"),
        ("model = f()\nask(model)", None),
        ("model = f()\nask(model.parameters)", None),
        ("a = b\nb = a\nask(a)", None),
    ],
)
def test_a_name_is_resolved_through_imports_and_aliases(code, dotted):
    assert name(code) == dotted


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("ask(1e-3)", 1e-3),
        ("ask(-1)", -1),
        ("ask([1, (2, 'a'), {'b': None}])", [1, (2, "a"), {"b": None}]),
        ("lr = 1e-3\nask(lr)", 1e-3),
        ("lr = 1e-3\ndef f():\n    ask(lr)", 1e-3),
        ("a, b = 1, 2\nask(b)", 2),
        ("a = b = 3\nask(a)", 3),
        ("lr: float = 0.5\nask(lr)", 0.5),
        ("base = 0.1\nask(base * 256 / 128)", 0.2),
        ("ask(2 ** -3)", 0.125),
        ("n = 3\nask('a' if n > 2 else 'b')", "a"),
        ("sizes = [784, 10]\nask(sizes[-1])", 10),
        ("config = {'lr': 0.1}\nask(config['lr'])", 0.1),
        ("config = dict(lr=0.1)\nask(config['lr'])", 0.1),
        ("ask(float('1e-4'))", 1e-4),
        ("class Config:\n    lr = 0.1\nask(Config.lr)", 0.1),
        ("class Config:\n    lr: float = 0.1\nconfig = Config()\nask(config.lr)", 0.1),
        ("class A:\n    def __init__(self):\n        self.p = 0.3\n    def f(self):\n        ask(self.p)", 0.3),
        ("class A:\n    p = 0.3\n    def f(self):\n        ask(self.p)", 0.3),
        ("def f(p=0.5):\n    ask(p)", 0.5),
        ("def f(x, *, p=0.5):\n    ask(p)\nf(1)", 0.5),
        ("def f(x, p=0.5):\n    ask(p)\nf(1, 0.5)", 0.5),
        ("p = 0.1\ndef f(p=p):\n    ask(p)", 0.1),
    ],
)
def test_a_value_is_what_stands_there_or_is_assigned_once(code, result):
    assert value(code) == result


@pytest.mark.parametrize(
    "code",
    [
        "ask(lr)",
        "lr = 1\nlr = 2\nask(lr)",
        "lr = 1\nlr *= 2\nask(lr)",
        "if x:\n    lr = 1\nelse:\n    lr = 2\nask(lr)",
        "for lr in [1, 2]:\n    ask(lr)",
        "lr = 1\ndef f():\n    global lr\n    lr = 2\nask(lr)",
        "def f(p):\n    ask(p)",
        "def f(x, p=0.5):\n    ask(p)\nf(1, 0.1)",
        "def f(x, p=0.5):\n    ask(p)\nf(1, p=q)",
        "def f(x, p=0.5):\n    ask(p)\nf(*args)",
        "class A:\n    def __init__(self, p=0.5):\n        ask(p)\nA(0.1)",
        "sizes = [1]\nsizes.append(2)\nask(sizes)",
        "config = {'lr': 0.1}\nconfig['lr'] = 0.2\nask(config['lr'])",
        "class Config:\n    lr = 0.1\nconfig = Config()\nconfig.lr = 0.2\nask(config.lr)",
        "class A:\n    def f(self):\n        self.p = 0.1\n    def g(self):\n        self.p = 0.2\n        ask(self.p)",
        "ask(1 / 0)",
        "ask('a' * 3)",
        "ask([1][5])",
        "ask(f(1))",
    ],
)
def test_what_cannot_be_told_is_unknown(code):
    assert value(code) is UNKNOWN


OPTIONS = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", "-l", type=float, default=1e-3)
parser.add_argument("--weight-decay", default="1e-4", type=float)
parser.add_argument("--amp", action="store_true")
parser.add_argument("--wd", dest="decay", default=0.1)
parser.add_argument("data")
parser.add_argument("--changed", default=1)
"""


@pytest.mark.parametrize(
    ("word", "result"),
    [("lr", 1e-3), ("weight_decay", 1e-4), ("amp", False), ("decay", 0.1), ("data", UNKNOWN), ("no", UNKNOWN)],
)
@pytest.mark.parametrize(
    "use",
    [
        "args = parser.parse_args()\nask(args.{})",
        "args, rest = parser.parse_known_args()\ndef f(args):\n    ask(args.{})",
    ],
)
def test_an_option_of_the_command_line_has_its_default(word, result, use):
    assert value(OPTIONS + use.format(word)) == result


def test_an_option_that_is_set_later_is_unknown():
    assert value(OPTIONS + "args = parser.parse_args()\nargs.changed = 2\nask(args.changed)") is UNKNOWN


def test_unknown_is_false_and_compares_with_nothing():
    assert not UNKNOWN
    assert not (UNKNOWN > 0 or UNKNOWN < 0 or UNKNOWN >= 0 or UNKNOWN <= 0)
    assert UNKNOWN != 0  # type: ignore[comparison-overlap]  # of no number, on purpose
    assert repr(UNKNOWN) == "UNKNOWN"


def test_only_numbers_are_numbers():
    for code, result in (("ask(1)", 1.0), ("ask(True)", None), ("ask('1')", None), ("ask(x)", None)):
        program, node = asked(code)
        assert program.number(node) == result


def test_arguments_are_found_by_position_and_by_name():
    call = read_source("from torch import optim\noptim.SGD(p, 0.1, momentum=0.9)").calls("torch.optim.SGD")[0]
    assert call.value(1, "lr") == 0.1
    assert call.value(2, "momentum") == 0.9
    assert call.value(4, "weight_decay", 0.0) == 0.0
    assert call.number(1, "lr") == 0.1
    assert call.number(0, "params") is None
    assert call.states(1, "lr")
    assert not call.states(4, "weight_decay")
    assert not call.open


@pytest.mark.parametrize("given", ["**{'lr': 0.1}", "**dict(lr=0.1)", "**config"])
def test_keywords_in_a_dictionary_that_is_written_out_are_found(given):
    call = read_source(f"from torch import optim\nconfig = dict(lr=0.1)\noptim.SGD(p, {given})").calls(
        "torch.optim.SGD"
    )[0]
    assert call.value(1, "lr") == 0.1
    assert call.value(4, "weight_decay", 0.0) == 0.0


@pytest.mark.parametrize("given", ["*args", "p, **kwargs", "p, **changed"])
def test_what_may_hide_in_stars_is_unknown(given):
    code = f"from torch import optim\nchanged = dict(a=1)\nchanged['lr'] = 1\noptim.SGD({given})"
    call = read_source(code).calls("torch.optim.SGD")[0]
    assert call.open
    assert call.value(1, "lr", 0.1) is UNKNOWN
    assert call.argument(1, "lr") is None


def test_calls_are_found_by_name_pattern_and_method_in_order():
    code = "import torch\nfrom torch import optim\noptim.SGD(p)\nloss.backward()\ntorch.optim.Adam(p)\nopt.step()"
    program = read_source(code)
    assert [each.name for each in program.calls("torch.optim.*")] == ["torch.optim.SGD", "torch.optim.Adam"]
    assert [each.location.line for each in program.calls("method:step", "method:backward")] == [4, 6]
    receiver = program.calls("method:step")[0].receiver
    assert receiver is not None and program.source(receiver) == "opt"
    assert program.calls("torch.optim.Adagrad") == program.calls("torch.nn.*") == []


def test_a_call_knows_its_function_its_loops_and_whether_gradients_are_off():
    program = read_source(
        "import torch\n"
        "def f():\n    while a:\n        for b in c:\n            g1()\n"
        "with torch.no_grad():\n    g2()\n"
        "@torch.inference_mode()\ndef h():\n    g3()\n"
        "@torch.no_grad\ndef k():\n    g4()\n"
        "with torch.set_grad_enabled(False):\n    g5()\n"
        "with torch.set_grad_enabled(train):\n    g6()\n"
    )
    calls = {program.source(each.node.func): each for each in program.calls("?")}
    assert calls["g1"].function is program.functions[0]
    assert [type(each) for each in calls["g1"].loops] == [ast.For, ast.While]
    assert [name for name, each in calls.items() if each.under_no_grad] == ["g2", "g3", "g4", "g5"]
    assert calls["g2"].function is None
    assert isinstance(calls["g2"].statement, ast.Expr)


def test_the_tree_can_be_asked():
    program = read_source(
        "class A:\n    def f(self, x):\n        y = x\n        if y:\n            y = g(y)\n        return y\nz = 1"
    )
    function = program.functions[0]
    assert [type(each).__name__ for each in program.statements_in_order(function)] == [
        "Assign",
        "If",
        "Assign",
        "Return",
    ]
    assert [type(each).__name__ for each in program.statements_in_order()] == ["ClassDef", "Assign"]
    call = program.calls("?")[0]
    assert program.class_of(call.node) is program.classes[0]
    assert program.function_of(call.node) is function
    assert program.enclosing(call.node, ast.If) is not None
    assert program.enclosing(call.node, ast.For) is None
    assert isinstance(program.parent(call.node), ast.Assign)
    first = program.nodes(ast.Assign)[0].targets[0]
    assert isinstance(first, ast.Name)
    assert [program.location(each).line for each in program.uses(first)] == [4, 5, 6]
    assert [each and program.source(each) for each in program.bindings(first)] == ["x", "g(y)"]
