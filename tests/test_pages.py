"""The pages of docs/: what is committed is what the catalog says, whole, and GitHub shows it as it is meant."""

import ast
import doctest
import html
import inspect
import re
import shutil
import sys

import pytest
from markdown_it import MarkdownIt  # which rich brings

from bridle import CATALOG
from bridle.pages.catalog import by_whom, card, conflicts_of
from bridle.pages.documents import FOLDER, FOLDERS, TABLES, WITH_TABLES, documents, page, path_of, write
from bridle.pages.markdown import prose, table
from bridle.pages.rule_documents import rule_index, rule_page
from bridle.pages.source import source_of
from bridle_audit.findings import PAGES, SEVERITIES
from bridle_audit.report.narrow import WIDTH, narrow
from bridle_audit.report.prose import plain
from bridle_audit.report.rules import ways_of
from bridle_audit.rules import RULES
from bridle_audit.run.files import rule_pages
from repository import ROOT

GITHUB = MarkdownIt("commonmark", {"html": True}).enable("table")
LEAVES = pytest.mark.parametrize("leaf", CATALOG.values(), ids=CATALOG)


def shown(markdown):
    """What a reader sees of a page, in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", GITHUB.render(markdown))).split())


def test_the_committed_pages_are_what_the_catalog_says():
    pages = documents(ROOT)
    paths = {*pages, *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))}
    differ = [path for path in paths if not path.exists() or path.read_text(encoding="utf-8") != pages.get(path)]
    assert not differ, f"`make docs` brings up to date: {', '.join(str(each.relative_to(ROOT)) for each in differ)}"


def test_pages_are_written_once_and_those_of_no_regularizer_and_no_rule_are_removed(tmp_path):
    for name in WITH_TABLES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    stale = [tmp_path / FOLDER / "layer" / "forgotten.md", tmp_path / PAGES / "forgotten.md"]
    for each in stale:
        each.parent.mkdir(parents=True)
        each.write_text("# Forgotten")
    pages = {tmp_path / FOLDER / path_of(leaf) for leaf in CATALOG.values()}
    pages |= {tmp_path / PAGES / f"{name}.md" for name in RULES}
    assert {*stale, *pages} <= set(write(tmp_path))
    assert not any(each.exists() for each in stale) and all(each.exists() for each in pages)
    assert write(tmp_path) == []


def test_every_table_has_its_place_in_a_page_written_by_hand():
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in WITH_TABLES]
    assert [sum(text.count(f"<!-- made by `make docs`: {name} -->") for text in texts) for name in TABLES] == [1] * len(
        TABLES
    )


@LEAVES
def test_a_page_shows_the_whole_card(leaf):
    seen = shown(page(leaf))
    for heading, text in card(leaf).sections:
        lines = text.splitlines() if heading in ("Formula", "Example") else [plain(text).replace("`", "")]
        assert heading in seen
        assert heading == "Conflicts" or all(" ".join(line.split()) in seen for line in lines)
    for each in conflicts_of(leaf):
        assert (
            f"{each.severity} with {', '.join(each.names)}{by_whom(leaf, each)} {plain(each.sentence).replace('`', '')}"
            in seen
        )


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_page_shows_all_that_a_rule_says(rule):
    (said,) = rule_pages([rule])
    made = rule_page(rule)
    seen = shown(made)
    texts = {"What it finds": said.what, "Why it hurts": said.why, "References": said.references}
    for heading, text in texts.items():
        assert heading in seen
        assert all(" ".join(plain(each).replace("`", "").split()) in seen for each in text.splitlines())
    for heading, text in {"Example": said.example, "Use instead": said.instead}.items():
        assert heading in seen and f"```python\n{text}\n```" in made
    assert f"{rule.severity}: " in seen and f'allow=["{rule.name}"] in Python' in seen
    assert (f"# bridle: allow[{rule.name}]" in seen) == ("static" in rule.checks)
    assert all(f"{way.words}: {way.command}" in seen for way in ways_of(said))


def test_the_index_of_rules_lists_each_once_under_its_severity():
    parts = dict(part.split("\n", 1) for part in rule_index().split("\n## ")[1:])
    assert list(parts) == list(reversed(SEVERITIES))
    for severity, text in parts.items():
        names = [rule.name for rule in RULES.values() if rule.severity == severity]
        assert re.findall(r"^\| \[([\w-]+)\]", text, flags=re.MULTILINE) == names


@LEAVES
def test_both_forms_stand_as_code_in_one_row_of_a_table(leaf):
    tokens = GITHUB.parse(page(leaf))
    first, last = (
        next(place for place, token in enumerate(tokens) if token.type == "html_block" and tag in token.content)
        for tag in ('<tr valign="top">', "</table>")
    )
    row = tokens[first : last + 1]
    assert [token.type for token in row] == ["html_block", "fence", "html_block", "fence", "html_block"]
    assert (
        re.findall(r"</?td>", "".join(token.content for token in row if token.type == "html_block"))
        == [
            "<td>",
            "</td>",
        ]
        * 2
    )
    for form, token in zip((leaf.vanilla, leaf.torch), row[1::2], strict=True):
        assert token.info == "python" and f"def {form.__name__}(" in token.content


@LEAVES
def test_each_definition_of_a_file_is_shown_once(leaf):
    source = source_of(leaf)
    body = ast.parse(inspect.getsource(sys.modules[leaf.__module__])).body
    (own,) = (node for node in body if isinstance(node, ast.ClassDef) and node.name == leaf.__name__)
    methods = [node.name for node in own.body if isinstance(node, ast.FunctionDef)]
    functions = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node is not own]
    constants = [ast.unparse(node) for node in body if isinstance(node, ast.Assign)]
    parts = [node for text in (source.vanilla, source.torch, source.shared) for node in ast.parse(text).body]
    assert sorted(node.name for node in parts if hasattr(node, "name")) == sorted(functions + methods)
    assert all([ast.unparse(node) for node in parts].count(constant) == 1 for constant in constants)


@LEAVES
def test_what_is_shown_as_numpy_is_free_of_torch(leaf):
    assert not {"torch", "Tensor"} & set(re.findall(r"\w+", source_of(leaf).vanilla))


def without_docstrings(text):
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and (docstring := ast.get_docstring(node)):
            node.body[0] = ast.Expr(ast.Constant(" ".join(docstring.split())))
    return ast.dump(tree)


@LEAVES
def test_narrower_lines_are_the_same_program(leaf):
    for text in (source_of(leaf).vanilla, source_of(leaf).torch):
        made = narrow(text)
        assert without_docstrings(made) == without_docstrings(text)
        assert all(len(line) <= WIDTH for line in made.splitlines() if "#" in line)


LONG = '''class Kept:
    """Something."""

    def method(self, weights: np.ndarray, gradient: dict[str, int], *, strength: float = 0.5) -> tuple[np.ndarray, int]:
        """One sentence that goes on for longer than a line is.

        Another paragraph.
        """
        return weights, 1  # a reason that makes this line longer than it may be
'''
NARROWED = '''class Kept:
    """Something."""

    def method(
        self,
        weights: np.ndarray,
        gradient: dict[str, int],
        *,
        strength: float = 0.5,
    ) -> tuple[np.ndarray, int]:
        """One sentence that goes on for longer than a line
        is.

        Another paragraph."""
        # a reason that makes this line longer than it may
        # be
        return weights, 1'''


def test_comments_docstrings_and_signatures_are_broken_into_shorter_lines():
    assert narrow(LONG) == NARROWED


@pytest.mark.parametrize(
    "text", ["2 * x * y", "(1 - m) ** parts", "a < b", "_x_ of w_i", "~~x~~ and ~y~", "$x$ or $y", r"a \* b", "a | b"]
)
def test_text_is_shown_as_it_is(text):
    assert shown(prose(text)) == text
    assert shown(table(["head"], [[prose(text)]])) == f"head {text}"


def test_code_and_addresses_stay_such():
    made = GITHUB.render(prose("The ``a * b`` of `c | d`, see https://doi.org/10.1016/S0893(98)00010-0, section 2."))
    assert "<code>a * b</code> of <code>c | d</code>" in made
    assert '<a href="https://doi.org/10.1016/S0893(98)00010-0">' in made and made.endswith("</a>, section 2.</p>\n")


def test_a_conflict_stands_on_the_pages_of_both():
    for name, leaf in CATALOG.items():
        for conflict in card(leaf).conflicts:
            for other in conflict.names:
                theirs = [each for each in conflicts_of(CATALOG[other]) if name in each.names]
                assert conflict.sentence in [each.sentence for each in theirs]


def anchors(path):
    """What the links to a page may point to: its headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_somewhere():
    for source in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        text = re.sub(r"```.*?```", "", source.read_text(encoding="utf-8"), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, anchor = link.partition("#")
            target = (source.parent / path).resolve() if path else source
            assert link.startswith("https://") or target.exists(), f"{source}: {link}"
            assert not anchor or link.startswith("https://") or anchor in anchors(target), f"{source}: {link}"


@pytest.mark.parametrize("name", ["docs/attaching.md", "docs/conflicts.md", "docs/strengths.md"])
def test_the_examples_of_a_page_written_by_hand_print_what_it_says(name):
    tokens = GITHUB.parse((ROOT / name).read_text(encoding="utf-8"))
    examples = [token for token in tokens if token.type == "fence" and token.info == "pycon"]
    names: dict[str, object] = {}
    printed: list[str] = []
    for token in examples:
        assert token.map is not None
        test = doctest.DocTestParser().get_doctest(token.content, names, name, name, token.map[0])
        doctest.DocTestRunner(verbose=False).run(test, out=printed.append, clear_globs=False)
        names = test.globs
    assert examples and not printed, "".join(printed)
