"""The site: each regularizer and rule is in its navigation, no link within it is dead, nothing is fetched by it."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

import bridle
from bridle.pages.documents import path_of
from bridle.regularizers import CATALOG
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


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "-f",
        "site/mkdocs.yml",
        "-d",
        os.fspath(folder),
    ]
    made = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return folder


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
    described = {f"{home}.{name}" for name, home in bridle.HOME.items() if name not in elsewhere}
    assert described | {"bridle.recipe.Recipe"} <= anchors


def test_nothing_is_loaded_from_elsewhere(pages):
    assert not [link for found in pages.values() for link in found.loaded if urlsplit(link).netloc]
