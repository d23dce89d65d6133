"""All texts of pages are in the catalogues, and a catalogue that would fail on a page is refused before."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from creance.provider.catalogues import (
    CatalogueError,
    chained,
    compiled,
    languages_of,
    package_catalogues,
    placeholder_problem,
    read_catalogue,
)
from jinja2 import Environment, nodes

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted(path for folder in ("provider", "plugins") for path in (ROOT / folder).rglob("templates/*.html"))
FOLDERS = sorted({template.parents[1] for template in TEMPLATES})
PACKAGES = ["creance." + ".".join(folder.relative_to(ROOT).parts) for folder in FOLDERS]


def po(text: str, translation: str) -> bytes:
    return f'msgid "{text}"\nmsgstr "{translation}"\n'.encode()


def texts_of(message: Message) -> list[str]:
    return [message.id] if isinstance(message.id, str) else [*message.id]


def translations_of(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else [*message.string]


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture(scope="module")
def marked(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """All texts that are marked in the templates and the code of a package, as `make catalogues` finds them."""
    pot = tmp_path_factory.mktemp("texts") / "texts.pot"
    program = [sys.executable, "-m", "babel.messages.frontend", "--quiet", "extract"]
    options = ["--mapping", ROOT / "pyproject.toml", "--keyword", "translatable", "--output", pot]
    subprocess.run([*program, *options, folder], check=True, cwd=ROOT, timeout=60)
    return read_po(io.BytesIO(pot.read_bytes()))


@pytest.fixture(scope="module")
def german(folder: Path) -> Catalog:
    return read_po(io.BytesIO((folder / "locales" / "de.po").read_bytes()), locale="de")


def test_every_text_has_its_translation(marked: Catalog, german: Catalog) -> None:
    """`make catalogues` lists what is new; somebody has to translate it."""
    ids = [message.id for message in marked if message.id]
    assert ids
    missing = [text for text in ids if german.get(text) is None or not all(translations_of(german.get(text)))]
    assert missing == []


def test_no_translation_is_a_guess_or_of_a_text_that_is_gone(marked: Catalog, german: Catalog) -> None:
    """GNU gettext, fuzzy entries: what a tool has guessed is not shown, and is no translation."""
    assert [message.id for message in german if message.fuzzy and message.id] == []
    assert [message.id for message in german if message.id and marked.get(message.id) is None] == []
    assert not german.obsolete


def test_a_translation_has_the_placeholders_and_tags_of_its_text(german: Catalog) -> None:
    """Python's % formatting: one that is missing hides who asks, one too many is an error on the page."""
    count = 0
    for message in german:
        if not message.id:
            continue
        wanted = set(re.findall(r"%\(\w+\)s|</?\w+[^>]*>", texts_of(message)[-1]))
        for translation in translations_of(message)[-1:]:
            assert set(re.findall(r"%\(\w+\)s|</?\w+[^>]*>", translation)) == wanted, message.id
        assert placeholder_problem(message) is None
        count += 1
    assert count > 5


def test_a_text_is_the_same_in_every_catalogue() -> None:
    """One word for one thing: a text that two packages have is translated alike."""
    told: dict[str, set[str]] = {}
    for package in PACKAGES:
        for message in package_catalogues(package)["de"]:
            for text, translation in zip(texts_of(message), translations_of(message), strict=True):
                told.setdefault(text, set()).add(translation)
    assert len(told) > 100
    assert {text: each for text, each in told.items() if text and len(each) > 1} == {}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: f"{path.parents[1].name}/{path.name}")
def test_nothing_on_a_page_is_left_in_english(template: Path) -> None:
    """Every word of a template stands within `_()` or `{% trans %}`; only constants do, since they are not escaped."""
    source = template.read_text("utf-8")
    assert re.findall(r"[^\W\d_]{2,}", re.sub(r"(?s)<[^>]*>|&\w+;", " ", outside_of_jinja(source))) == []
    for call in Environment(extensions=["jinja2.ext.i18n"]).parse(source).find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in ("_", "gettext", "ngettext"):
            assert isinstance(call.args[0], nodes.Const)


def outside_of_jinja(source: str) -> str:
    """What stands in a template outside of Jinja's tags and of texts that are marked."""
    source = re.sub(r"(?s)\{%-?\s*trans\b.*?endtrans\s*-?%\}", "", source)
    return re.sub(r"(?s)\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", source)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (po("Log in", "100 % sicher"), "line 1: a %"),
        (po("Hello %(name)s", "Hallo %(nmae)s"), "line 1: no such placeholder: nmae"),
        (po("Hello %(name)s", "Hallo %(name)"), "line 1: a %"),
        (b'msgid "Log in"\nmsgstr "An\xff"\n', "codec can't decode"),
        (b"<html>", "on 0"),
    ],
)
def test_a_catalogue_that_would_fail_on_a_page_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(CatalogueError, match=re.escape(problem)):
        read_catalogue(content, "de")


@pytest.mark.parametrize("language", ["klingon", "", "d", "../de"])
def test_a_catalogue_is_named_after_its_language(language: str) -> None:
    """BCP 47, as CLDR knows it."""
    with pytest.raises(CatalogueError, match="no language"):
        read_catalogue(po("Log in", "Anmelden"), language)


def test_what_one_source_does_not_have_comes_from_the_next() -> None:
    theme = {"de": read_catalogue(po("Log in", "Hereinspaziert"), "de")}
    package = {"de": read_catalogue(po("Log in", "Anmelden") + b"\n" + po("Log out", "Abmelden"), "de")}
    german = chained("de", [theme, package])
    assert [german.gettext(text) for text in ("Log in", "Log out", "Help")] == ["Hereinspaziert", "Abmelden", "Help"]
    assert chained("en", [theme, package]).gettext("Log in") == "Log in"


def test_what_is_fuzzy_stays_english() -> None:
    """GNU gettext, fuzzy entries."""
    catalogue = read_catalogue(b'#, fuzzy\nmsgid "Log in"\nmsgstr "Abmelden"\n', "de")
    assert isinstance(compiled(catalogue), GNUTranslations)
    assert compiled(catalogue).gettext("Log in") == "Log in"


def test_the_source_language_is_always_there() -> None:
    assert languages_of("creance.provider") == ["en", "de"]
    assert languages_of("creance.config") == ["en"]
