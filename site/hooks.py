"""Adds to the pages of docs/: the README and its like, the reference of names, and the navigation.

The pages of docs/ are written to be read in the repository as well. So links that lead out of docs/ are made into links
to the page that the site has of that file, or, where it has none, into its path; and HTML that only the repository
needs, two blocks of code in a table, becomes a grid.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from bridle.recipe import PLACES
from bridle_audit.lazy_names import lazy_names

ROOT = Path(__file__).parents[1]
TAKEN_IN = {  # files of the repository, and the pages that the site has of them
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
    "site/site.css": "assets/site.css",
}
GUIDES = (
    ("Compare", "comparing.md"),
    ("Statistics", "statistics.md"),
    ("When to use what", "when_to_use_what.md"),
    ("Tables", "tables.md"),
    ("Strengths over time and layers", "strengths.md"),
    ("Conflicts", "conflicts.md"),
    ("Studies on disk", "study.md"),
    ("Notebooks, frames and trackers", "notebooks.md"),
    ("In your own loop", "attaching.md"),
    ("Lightning, skorch, Hugging Face, Keras", "adapters.md"),
    ("The notebook, reproduced", "notebook.md"),
)
AUDIT = (("Use", "audit/index.md"), ("Trust", "audit/trust.md"), ("Strengths in other units", "audit/strengths.md"))
PROJECT = (("Benchmarks", "benchmarks.md"), ("Contributing", "contributing.md"), ("Changelog", "changelog.md"))
REFERENCE = {  # a page, and what is described on it: public names by the modules that they are from, or one by one
    "Data": ("bridle.data",),
    "Networks and training": ("bridle.networks", "bridle.protocol", "bridle.engine", "bridle.metrics"),
    "Comparison and results": (
        "bridle.comparison",
        "bridle.results",
        "bridle.report.plotting.StudyPlots",
        "bridle.report.plotting.RunPlots",
        "bridle.tracking.tensorboard.to_tensorboard",
        "bridle.tracking.mlflow.to_mlflow",
    ),
    "In your own loop": ("bridle.attaching", "bridle.exporting"),
    "Audit": ("bridle_audit",),
    "Recipes": (
        "bridle.recipe.Recipe",
        "bridle.recipe.Regularizer",
        "bridle.knobs.knob",
        "bridle.schedules.Schedule",
    ),
    "Regularizers of your own": (
        "bridle.places.batch.Batch",
        "bridle.places.layer.Layer",
        "bridle.places.layer.WeightLayer",
        "bridle.places.layer.RunningStatistics",
        "bridle.places.loss.Loss",
        "bridle.places.loss.ActivityLoss",
        "bridle.places.loss.OutputLoss",
        "bridle.places.loss.PassLoss",
        "bridle.places.gradient.Gradient",
        "bridle.places.gradient.Ascent",
        "bridle.places.weight.Weight",
        "bridle.places.average.Average",
        "bridle.places.average.Ensemble",
        "bridle.places.stop.Stop",
        "bridle.places.noise.Draw",
        "bridle.testing.check_regularizer",
        "bridle.mypy_plugin.plugin",
    ),
    "Errors": (
        "bridle_audit.errors.BridleError",
        "bridle_audit.errors.InputError",
        "bridle_audit.errors.StateError",
        "bridle_audit.errors.DependencyError",
    ),
}
LINK = re.compile(r"\[([^\]\[]*(?:\[[^\]]*\][^\]\[]*)*)\]\(([^)\s:#]+)(#[^)\s]*)?\)")
TABLE = re.compile(
    r"<table>\n<tr><th>(.*?)</th><th>(.*?)</th></tr>\n<tr valign=\"top\">\n<td>\n\n```python\n(.*?)```\n\n</td>\n"
    r"<td>\n\n```python\n(.*?)```\n\n</td>\n</tr>\n</table>",
    re.DOTALL,
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Set the navigation, which follows the folders."""
    docs = Path(config.docs_dir)
    catalog = [{place: paths_in(docs, f"regularizers/{place}")} for place in PLACES]
    config.nav = [
        {"Start": "index.md"},
        {"Guides": entries(GUIDES)},
        {"Regularizers": ["regularizers/index.md", *catalog]},
        {"Audit": [*entries(AUDIT), {"Rules": ["audit/rules/index.md", *paths_in(docs, "audit/rules")]}]},
        {"Reference": [{title: reference_path(title)} for title in REFERENCE]},
        {"Project": entries(PROJECT)},
    ]
    return config


def entries(named: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    """Titles and pages as MkDocs takes them."""
    return [{title: path} for title, path in named]


def paths_in(docs: Path, folder: str) -> list[dict[str, str]]:
    """The pages of a folder but its index, under their titles."""
    pages = sorted((docs / folder).glob("*.md"), key=lambda page: page.stem)
    return [{title_of(page): page.relative_to(docs).as_posix()} for page in pages if page.stem != "index"]


def title_of(page: Path) -> str:
    """The heading of a page, as it is written."""
    found = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return found[1] if found else page.stem


def reference_path(title: str) -> str:
    """The page of a part of the reference."""
    return f"reference/{title.lower().replace(' ', '-')}.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files from outside docs/ and the pages of the reference."""
    for source, page in TAKEN_IN.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    for title, described in REFERENCE.items():
        files.append(File.generated(config, reference_path(title), content=reference(title, described)))
    return files


def reference(title: str, described: Iterable[str]) -> str:
    """A page that shows what docstrings say of some names, and of the public names of some modules."""
    public = lazy_names("bridle")
    names = (f"{each}.{name}" for each in described for name, module in public.items() if module == each)
    alone = (each for each in described if each not in public.values())
    return "\n".join([f"# {title}\n", *(f"::: {name}\n" for name in (*names, *alone))])


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead links that leave docs/ to the site's own pages, and set code that stands in a table as a grid."""
    path = page.file.src_uri
    source = next((source for source, taken in TAKEN_IN.items() if taken == path), f"docs/{path}")
    if path.startswith("regularizers/"):
        page.meta["search"] = {"boost": 4}  # who types a method's name looks for its page, not for a rule about it
    if TABLE.search(markdown):
        page.meta["hide"] = ["toc"]  # its column is for the code
    return TABLE.sub(grid, LINK.sub(lambda link: led(link, source, path), markdown))


def led(link: re.Match[str], source: str, path: str) -> str:
    """A link of a file of the repository as the site's page of that file has it."""
    text, target, anchor = link[1], link[2], link[3] or ""
    aimed = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    if aimed.startswith("docs/") and Path(ROOT, aimed).is_file():
        page = aimed.removeprefix("docs/")
    elif aimed in TAKEN_IN:
        page = TAKEN_IN[aimed]
    elif (ROOT / aimed).exists():  # the site has no page of it: say where it is
        return (
            f"`{aimed}`" if text.strip("`") in (aimed, posixpath.basename(aimed), "source") else f"{text} (`{aimed}`)"
        )
    else:
        return link[0]
    return f"[{text}]({posixpath.relpath(page, posixpath.dirname(path) or '.')}{anchor})"


def grid(table: re.Match[str]) -> str:
    """Two blocks of code in a table of HTML as two cells of a grid."""
    left, right, first, second = table.groups()
    blocks = (f'```python title="{title}"\n{code}```' for title, code in ((left, first), (right, second)))
    return '<div class="grid" markdown>\n\n' + "\n\n".join(blocks) + "\n\n</div>"
