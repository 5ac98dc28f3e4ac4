"""The site: each regularizer and rule is in its navigation, no link within it is dead, nothing is fetched by it."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

from bridle.pages.documents import path_of
from bridle.regularizers import CATALOG
from bridle_audit.lazy_names import lazy_names
from bridle_audit.rules import RULES
from repository import ROOT


class Found(HTMLParser):
    """The links of a page, the files that it loads, and its anchors."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loaded, self.anchors = [], [], {""}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag in ("script", "img", "iframe") and given.get("src"):
            self.loaded.append(given["src"])
        if tag == "link" and given.get("rel") != "canonical" and given.get("href"):
            self.loaded.append(given["href"])


def build(root, folder):
    """Builds the site of a checkout as `make site` does; with `--quiet`, MkDocs would not count its warnings."""
    command = [sys.executable, "-m", "mkdocs", "build", "-f", root / "site/mkdocs.yml", "-d", folder]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    made = build(ROOT, folder)
    assert made.returncode == 0, made.stderr
    return folder


DEAD = (
    "[page](nowhere.md)",
    "[heading](study.md#no-such-heading)",
    "![picture](figures/none.svg)",
    "[file](../packages/none.py)",
)


def test_a_dead_link_fails_the_build(tmp_path):
    for name in ("docs", "site"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("packages", "benchmarks", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    with (tmp_path / "docs/tables.md").open("a", encoding="utf-8") as page:
        page.write("\n\n".join(["", *DEAD, ""]))
    made = build(tmp_path, tmp_path / "public")
    assert made.returncode == 1
    assert all(f"contains a link '{link.partition('(')[2].rstrip(')')}'" in made.stderr for link in DEAD)


@pytest.fixture(scope="module")
def pages(site):
    return {path: Found(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if path.name != "404.html"}


def leads_to(page, link):
    """The file that a link of a page leads to."""
    path = unquote(urlsplit(link).path)
    return (page.parent / path).resolve() if path else page


def test_no_link_within_the_site_is_dead(pages):
    dead = []
    for page, found in pages.items():
        for link in [*found.links, *found.loaded]:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                continue
            target = leads_to(page, link)
            anchored = target not in pages or unquote(parts.fragment) in pages[target].anchors
            if not target.is_file() or not anchored:
                dead.append(f"{page.name}: {link}")
    assert not dead


def test_every_regularizer_and_rule_is_in_the_navigation(site, pages):
    regularizers = {(site / "regularizers" / path_of(leaf)).with_suffix(".html") for leaf in CATALOG.values()}
    rules = {site / "audit" / "rules" / f"{name}.html" for name in RULES}
    for index, named in (("regularizers/index.html", regularizers), ("audit/rules/index.html", rules)):
        navigation = re.search(
            r'<nav class="md-nav md-nav--primary.*?</nav>\s*</div>\s*</div>\s*</div>',
            (site / index).read_text(encoding="utf-8"),
            flags=re.DOTALL,
        )
        assert navigation is not None
        linked = {leads_to(site / index, link) for link in Found(navigation[0]).links}
        assert named <= linked


def test_every_public_name_is_in_the_reference(pages, site):
    anchors = {anchor for page, found in pages.items() if page.parent == site / "reference" for anchor in found.anchors}
    elsewhere = {*CATALOG, "CATALOG", "Recipe"}  # the regularizers have pages of their own
    described = {f"{home}.{name}" for name, home in lazy_names("bridle").items() if name not in elsewhere}
    assert described | {"bridle.recipe.Recipe"} <= anchors


def test_nothing_is_loaded_from_elsewhere(pages):
    assert not [link for found in pages.values() for link in found.loaded if urlsplit(link).netloc]
