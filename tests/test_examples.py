"""The examples run: the notebook from top to bottom, the figure of decay under Adam, and that of the README."""

import importlib.util
import os
import re
from types import ModuleType

import nbformat
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from nbclient import NotebookClient

import bridle
from bridle import L2, WeightDecay
from repository import ROOT

EXAMPLES = ROOT / "examples"
NOTEBOOK = EXAMPLES / "regularization.ipynb"
TIME_LIMIT = 600  # seconds, for one cell: a kernel that hangs must not hang the tests


def read_notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def test_the_notebook_is_kept_without_its_outputs():
    notebook = read_notebook()
    nbformat.validate(notebook)
    assert outputs(notebook) == []
    assert {cell.execution_count for cell in notebook.cells if cell.cell_type == "code"} == {None}


def test_the_notebook_has_the_originals_sections_in_their_order():
    text = "\n".join(cell.source for cell in read_notebook().cells if cell.cell_type == "markdown")
    assert re.findall(r"^#+ (.*)", text, flags=re.MULTILINE) == [
        "Regularization in Machine Learning",
        "No Regularization",
        "L2 Regularization",
        "Weight Decay",
        "Why is weight decay preferred over L2 using Adam?",
        "Dropout",
        "Batch Normalization",
        "When should I use what?",
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # what Jupyter's own packages warn of is theirs
def test_the_notebook_runs_from_top_to_bottom(monkeypatch):
    monkeypatch.delenv("BRIDLE_DATA", raising=False)  # on the data that every machine has
    notebook = read_notebook()
    NotebookClient(notebook, timeout=TIME_LIMIT, resources={"metadata": {"path": str(EXAMPLES)}}).execute()
    found = outputs(notebook)
    pictures = [output for output in found if "image/png" in output.get("data", {})]
    pages = [output.data["text/html"] for output in found if "text/html" in output.get("data", {})]
    printed = "".join(output.text for output in found if output.get("name") == "stdout")
    assert len(pictures) == 9
    assert len(pages) == 4
    assert all("_vanilla(" in page and "Tensor" in page for page in pages)
    verdicts = r"^(?:Adam|SGD) .*(?:helps|hurts|the same|cannot tell yet)"
    assert len(re.findall(verdicts, printed, flags=re.MULTILINE)) == 10


def imported(name: str) -> ModuleType:
    """Return the script of this name in the folder of examples as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return imported("decay_under_adam")


def test_the_strength_of_coupled_decay_hardly_matters_under_adam(example):
    ends = [example.path(L2(strength=strength))[-1] for strength in (1e-6, 1e-2)]
    assert ends[0] == pytest.approx(ends[1], abs=0.01)
    assert ends[0] < 0.3


def test_the_strength_of_decoupled_decay_is_a_rate(example):
    for strength in (0.1, 1.0):
        end = example.path(WeightDecay(strength=strength))[-1]
        assert end == pytest.approx((1 - example.LR * strength) ** example.STEPS, rel=1e-9)


def test_coupled_decay_spares_weights_with_large_gradients_and_decoupled_decay_does_not(example):
    small, large = (example.path(L2(strength=1e-3), noise, weights=100)[-1] for noise in (1e-4, 1.0))
    assert (1 - small) > 10 * (1 - large)
    small, large = (example.path(WeightDecay(strength=0.5), noise, weights=100)[-1] for noise in (1e-4, 1.0))
    assert small == pytest.approx(large, abs=0.02)


@pytest.mark.parametrize(
    ("regularizer", "optimizer", "settings"),
    [
        (L2(strength=0.01), torch.optim.Adam, {"weight_decay": 0.02}),
        (WeightDecay(strength=0.3), torch.optim.AdamW, {"weight_decay": 0.3}),
    ],
    ids=["coupled", "decoupled"],
)
def test_the_paths_are_those_of_torchs_own_optimizers(example, regularizer, optimizer, settings):
    w = torch.ones(1, dtype=torch.float64, requires_grad=True)
    stepping = optimizer([w], lr=example.LR, **settings)
    theirs = [1.0]
    for _ in range(example.STEPS):
        w.grad = torch.zeros_like(w)
        stepping.step()
        theirs.append(w.item())
    assert np.allclose(example.path(regularizer), theirs, rtol=1e-9)


def test_the_figure_in_the_docs_is_what_the_script_draws(example, tmp_path, monkeypatch):
    monkeypatch.setattr(example, "STEPS", 10)
    example.main(os.fspath(tmp_path / "figure.svg"))
    drawn = (tmp_path / "figure.svg").read_text()
    kept = (EXAMPLES.parent / "docs" / "figures" / "decay_under_adam.svg").read_text()
    titles = ("Coupled, L2 in Adam", "Decoupled, WeightDecay", "By the size of the data gradient")
    assert all(f">{title}<" in text for title in titles for text in (drawn, kept))


def test_the_picture_in_the_readme_is_what_the_script_draws():
    script = imported("first_comparison")
    study = bridle.compare(bridle.load("digits"), script.RECIPES[:2], seeds=2, protocol=bridle.Protocol(epochs=1))
    figure = Figure()
    axes = figure.subplots()
    script.draw(axes, study)
    assert [each.get_text() for each in axes.get_yticklabels()] == [each.name for each in study.contenders[1:]]
    dots = [np.asarray(line.get_xdata()) for line in axes.lines if line.get_marker() == "o"]
    compared = [row.versus_baseline for row in study.contenders[1:]]
    assert np.allclose(dots, [versus.values for versus in compared if versus])
    kept = (EXAMPLES.parent / "docs" / "figures" / "first_comparison.svg").read_text()
    assert all(str(recipe) in kept for recipe in script.RECIPES)
