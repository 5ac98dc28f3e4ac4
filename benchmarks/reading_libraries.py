"""What libraries that read programs take for the parts that the static checks do themselves, and whether they agree.

    pip install beniget==0.5.0 gast==0.7.0 libcst==1.9.0    # for this program alone
    python benchmarks/reading_libraries.py

Scopes: each parses the same files and says what every call with an imported name calls. Magics: what is left of cells
with IPython's syntax. Seconds are of one processor, in one run.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import site
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import beniget
import gast
import libcst
from IPython.core.inputtransformer2 import TransformerManager
from libcst import metadata
from rich.console import Console
from rich.table import Table

from bridle_audit.static.libraries.canonical_names import canonical
from bridle_audit.static.scopes.index import Index
from bridle_audit.static.scopes.resolution import resolve
from bridle_audit.static.source.magics import to_python

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "packages/bridle-audit/tests/corpus"
PACKAGES = ("torch/nn", "torch/optim", "timm", "pytorch_lightning", "keras", "skorch")
EVERY = 6  # one in so many files of the packages
REPEATS = 20
CELLS = (
    "%matplotlib inline\nimport torch",
    "%time train(model)",
    "%%time\ntrain(model)",
    "%prun -l 5 fit(net)",
    "%timeit -n 10 -r 3 model(x)",
    "%%capture out\nnet = nn.Linear(2, 3)",
    "%load_ext tensorboard\n%tensorboard --logdir runs",
    "!pip install torch \\\n  timm",
    "files = !ls -l",
    "a, b = !echo 1 2",
    "x = %env HOME",
    "model?",
    "torch.nn?? # help",
    "%%bash\nls",
    "if gpu:\n    !nvidia-smi\nelse:\n    pass",
    "s = '''\n%not magic\n'''",
    "loss = f(\n  a %\n  b)",
)
Spot = tuple[int, int]
Names = dict[Spot, str]  # what is called, by the line and column where the call begins


def ours(text: str) -> Names:
    """Names by the index of the static checks."""
    index = Index(ast.parse(text))
    called = ((each, resolve(index, each.func)) for each in index.by_type.get(ast.Call, []))
    return {(each.lineno, each.col_offset): name for each, name in called if name and "." in name}


def by_beniget(text: str) -> Names:
    """Names by beniget's chains from uses to definitions."""
    tree = gast.parse(text)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):  # it prints warnings
        chains, parents = beniget.DefUseChains(), beniget.Ancestors()
        chains.visit(tree)
        parents.visit(tree)
        definitions = beniget.UseDefChains(chains).chains
    found = {}
    for call in (each for each in gast.walk(tree) if isinstance(each, gast.Call)):
        path, base = [], call.func
        while isinstance(base, gast.Attribute):
            path, base = [base.attr, *path], base.value
        names = {imported(each.node, parents) for each in definitions.get(base, ())}
        name = names.pop() if len(names) == 1 else None
        if name is not None and "." in (whole := canonical(".".join([canonical(name), *path]))):
            found[call.lineno, call.col_offset] = whole
    return found


def imported(node: Any, parents: Any) -> str | None:
    """The whole name of what an import binds; None for other definitions."""
    if not isinstance(node, gast.alias):
        return None
    statement = parents.parent(node)
    if isinstance(statement, gast.ImportFrom):
        return "." * statement.level + ".".join(filter(None, (statement.module, node.name)))
    return str(node.name if node.asname else node.name.partition(".")[0])


class Calls(libcst.CSTVisitor):
    """Names by libcst's provider of qualified names."""

    METADATA_DEPENDENCIES = (metadata.QualifiedNameProvider, metadata.PositionProvider)

    def __init__(self) -> None:
        super().__init__()
        self.found: Names = {}

    def visit_Call(self, node: libcst.Call) -> None:
        """Take in a call whose name is imported, and one thing."""
        names = self.get_metadata(metadata.QualifiedNameProvider, node.func, set())
        imports = [each.name for each in names if each.source is metadata.QualifiedNameSource.IMPORT]
        if len(imports) == len(names) == 1 and "." in (name := canonical(imports[0])):
            start = self.get_metadata(metadata.PositionProvider, node).start
            self.found[start.line, start.column] = name


def by_libcst(text: str) -> Names:
    """The same of a whole text."""
    calls = Calls()
    metadata.MetadataWrapper(libcst.parse_module(text), unsafe_skip_copy=True).visit(calls)
    return calls.found


def texts() -> Iterator[str]:
    """The corpus, and some files of the installed libraries."""
    yield from (each.read_text(encoding="utf-8") for each in sorted(CORPUS.glob("*.py")))
    installed = Path(site.getsitepackages()[0])
    files = (file for package in PACKAGES for file in sorted((installed / package).rglob("*.py"))[::EVERY])
    yield from (each.read_text(encoding="utf-8") for each in files)


def timed(work: Callable[[str], Any], given: list[str]) -> tuple[list[Any], float]:
    """What a function makes of each text, and the processor's seconds."""
    start = time.process_time()
    made = [work(each) for each in given]
    return made, time.process_time() - start


def cells() -> list[str]:
    """Cells with IPython's syntax, and those of the notebooks of the repository."""
    notebooks = [json.loads(each.read_text(encoding="utf-8")) for each in sorted(CORPUS.glob("*.ipynb"))]
    code = [cell for each in notebooks for cell in each["cells"] if cell["cell_type"] == "code"]
    return [*CELLS, *("".join(each["source"]) for each in code)]


def calls_in(text: str) -> set[str] | None:
    """What a cell calls that is not IPython's own; None for what is no Python."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    called = {ast.unparse(each.func) for each in ast.walk(tree) if isinstance(each, ast.Call)}
    return {each for each in called if not each.startswith("get_ipython()")}


def main() -> None:
    """Measure both parts and print a row for each library."""
    warnings.simplefilter("ignore")
    given = list(texts())
    reference, seconds = timed(ours, given)
    shown = Table(
        "part", "by", "seconds", "calls that are named alike", title=f"{len(given)} files, {lines(given):,} lines"
    )
    total = sum(map(len, reference))
    shown.add_row("scopes", "bridle-audit", f"{seconds:.2f}", f"{total:,}")
    for name, work in (("beniget", by_beniget), ("libcst", by_libcst)):
        found, seconds = timed(work, given)
        same = sum(len(ours.items() & theirs.items()) for ours, theirs in zip(reference, found, strict=True))
        shown.add_row("scopes", name, f"{seconds:.2f}", f"{same:,}")
    code = cells()
    kept, seconds = timed(lambda cell: to_python(cell)[0], code * REPEATS)
    theirs, their_seconds = timed(TransformerManager().transform_cell, code * REPEATS)
    pairs = list(zip(kept, theirs, strict=True))[: len(code)]
    hidden = sum(bool((calls_in(one) or set()) - (calls_in(other) or set())) for one, other in pairs)
    shown.add_row(f"magics, {len(code)} cells", "bridle-audit", f"{seconds / REPEATS:.4f}", "")
    shown.add_row("", "IPython", f"{their_seconds / REPEATS:.4f}", f"without some of them in {hidden} cells")
    Console(width=120).print(shown)


def lines(given: list[str]) -> int:
    """How many lines texts have."""
    return sum(each.count("\n") for each in given)


if __name__ == "__main__":
    main()
