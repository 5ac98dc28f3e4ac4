"""``audit_factory``: what a function of the user's makes is probed, and what goes wrong is said in a sentence."""

import itertools
import sys

import pytest

from bridle_audit.run.factories import audit_factory
from bridle_audit.run.targets import audit_targets

NUMBERS = itertools.count()
HEAD = """\
import dataclasses
from collections import namedtuple
import torch
from torch import nn

torch.manual_seed(0)
network = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10), nn.ReLU())
loss = nn.CrossEntropyLoss()
batch = torch.randn(16, 20), torch.arange(16) % 10
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
"""
RULE = "relu-on-logits"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module into the current folder and gives its name, which is new each time."""
    monkeypatch.chdir(tmp_path)
    written = []

    def write(text):
        written.append(f"made_up_{next(NUMBERS)}")
        (tmp_path / f"{written[-1]}.py").write_text(HEAD + text)
        return written[-1]

    yield write
    for name in written:
        sys.modules.pop(name, None)


MAKERS = {
    "a tuple": "def make():\n    return network, optimizer, loss, batch\n",
    "a dictionary": "def make():\n    return {'model': network, 'loss': loss, 'batch': batch}\n",
    "a named tuple": "Trio = namedtuple('Trio', 'batch loss model')\nmake = lambda: Trio(batch, loss, network)\n",
    "a dataclass": (
        "@dataclasses.dataclass\nclass make:\n    model: object = network\n    loss: object = loss\n"
        "    batch: tuple = batch\n"
    ),
}


@pytest.mark.parametrize("text", MAKERS.values(), ids=MAKERS)
def test_a_factory_may_make_its_parts_in_any_of_these_forms(text, module):
    name = module(text)
    found = [each for each in audit_factory(f"{name}:make") if each.rule == RULE]
    (each,) = found
    assert each.severity == "error"
    assert each.location is not None and each.location.file == f"{name}.py"
    begins = next(line for line in text.splitlines() if line.startswith(("def make", "make =", "@")))
    assert (each.location.line, each.location.column) == ((HEAD + text).splitlines().index(begins) + 1, 1)


def test_a_model_alone_and_parts_of_a_module_are_taken(module):
    name = module("class Zoo:\n    @staticmethod\n    def small():\n        return network\n")
    assert isinstance(audit_factory(f"{name}:network"), tuple)
    assert isinstance(audit_factory(f"{name}:Zoo.small"), tuple)


def test_what_has_no_source_says_which_factory_it_comes_from(module):
    name = module("import functools\nmake = functools.partial(lambda: (network, None, loss, batch))\n")
    (each,) = [found for found in audit_factory(f"{name}:make") if found.rule == RULE]
    assert each.location is None and each.where == f"{name}:make: the model's output"


def test_rules_may_be_allowed(module):
    name = module(MAKERS["a tuple"])
    assert RULE not in audit_factory(f"{name}:make", allow=[RULE]).rules


def test_what_the_users_code_prints_does_not_mix_with_the_results(module, capsys):
    name = module("print('importing')\ndef make():\n    print('making')\n    return network\n")
    audit_factory(f"{name}:make")
    assert capsys.readouterr() == ("", "importing\nmaking\n")


def test_the_path_of_modules_is_what_it_was(module):
    name, kept = module(MAKERS["a tuple"]), list(sys.path)
    audit_factory(f"{name}:make")
    assert sys.path == kept


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("def mkae():\n    return network\n", r"has no 'make'; did you mean mkae\?"),
        ("make = 3\n", "is of type int; name a function that makes a model, or a model"),
        (
            "def make(depth, *, width, kept=1, **rest):\n    pass\n",
            "takes depth, width, but a factory is called without",
        ),
        ("def make():\n    pass\n", r"made None; expected a torch\.nn\.Module, or a tuple"),
        (
            "def make():\n    return {'modle': network}\n",
            r"made 'modle', which audit does not take; did you mean model\?",
        ),
        ("def make():\n    return {'loss': loss}\n", "the model that it should make is missing"),
        (
            "def make():\n    return (3,)\n",
            r"the model that it should make is of type int; expected a torch\.nn\.Module",
        ),
        ("def make():\n    return network, None, loss, 5\n", r"^batch: expected \(x, y\)"),
        ("def make():\n    return 1 / 0\n", r"make failed: ZeroDivisionError: division by zero \(.*\.py, line 12\)"),
        (
            "raise SystemExit('usage: ...')\n",
            r"cannot import made_up_\d+: SystemExit: usage: \.\.\. \(.*\.py, line 11\)",
        ),
        ("def f(:\n", r"cannot import made_up_\d+: SyntaxError"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(text, sentence, module):
    name = module(text)
    with pytest.raises(ValueError, match=sentence):
        audit_factory(f"{name}:make")


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"^cannot import no_such_module: ModuleNotFoundError: No module named"):
        audit_factory("no_such_module:make")


def test_paths_and_factories_are_audited_together(module, tmp_path):
    name = module(MAKERS["a tuple"])
    found = audit_targets([f"{name}.py", f"{name}:make", f"{name}:make"])
    assert found.files == (f"{name}.py",) and found.factories == (f"{name}:make",)
    probed = [each for each in found.findings if each.rule == RULE and each.where == "the model's output"]
    assert len(probed) == 1
    assert RULE in [each.name for each in found.rules]
    assert RULE not in audit_targets([f"{name}:make"], [RULE]).findings.rules


def test_a_path_that_looks_like_a_factory_is_a_path_where_it_exists(module, tmp_path):
    (tmp_path / "a:b").mkdir()
    assert audit_targets(["a:b"]).factories == ()
    with pytest.raises(ValueError, match=r"there is no file or folder a/b:c"):
        audit_targets(["a/b:c"])
