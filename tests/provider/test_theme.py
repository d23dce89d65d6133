"""A theme goes over our pages, and one with a mistake stops the start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from creance.provider import ConfigurationError, OpenIDProvider
from creance.provider.page_templates import template_names
from creance.provider.theme import Theme, read_theme

NAMES = template_names(["creance.plugins.sessions"])
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a theme: `write(("style.css", "…"))`."""

    def write(*files: tuple[str, str | bytes]) -> Path:
        folder = tmp_path / "theme"
        folder.mkdir()
        for name, content in files:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return write


def test_no_folder_is_an_empty_theme() -> None:
    assert read_theme(None, NAMES) == Theme()


def test_everything_that_a_theme_can_have(write: Callable[..., Path]) -> None:
    folder = write(
        ("style.css", ":root { --accent: #0a6b4b; }"),
        ("logo.svg", SVG),
        ("login.html", '{% extends "creance/login.html" %}'),
        ("_banner.html", "<p>{{ name }}</p>"),
        ("texts/de.po", 'msgid "Log in"\nmsgstr "Hereinspaziert"\n'),
        ("texts/fr.po", 'msgid "Log in"\nmsgstr "Connexion"\n'),
        (".DS_Store", b"\0\xff"),
    )
    theme = read_theme(folder, NAMES)
    assert theme.stylesheet == b":root { --accent: #0a6b4b; }"
    assert theme.logo is not None
    assert (theme.logo.content, theme.logo.content_type) == (SVG, "image/svg+xml")
    assert sorted(theme.templates) == ["_banner.html", "login.html"]
    assert sorted(theme.texts) == ["de", "fr"]


@pytest.mark.parametrize(
    ("files", "mistake"),
    [
        ([("stile.css", "")], "stile.css: is nothing that a theme has"),
        ([("loginn.html", "")], "loginn.html: is nothing that a theme has"),
        ([("texts/de.mo", b"")], "texts/de.mo: is nothing that a theme has"),
        ([("images/a.svg", SVG)], "images/a.svg: is nothing that a theme has"),
        ([("login.html", "{% if %}")], "login.html: line 1: "),
        ([("login.html", "\n{{ x | nothing }}")], "login.html: line 2: No filter named 'nothing'"),
        ([("login.html", "{{ username | safe }}")], "login.html: line 1: No filter named 'safe'"),
        ([("login.html", "{% autoescape false %}{{ username }}{% endautoescape %}")], "autoescape cannot be switched"),
        ([("login.html", b"\xff")], "login.html: 'utf-8'"),
        ([("texts/de.po", 'msgid "Log in"\nmsgstr "100 %"\n')], "texts/de.po: line 1: a %"),
        ([("texts/xx-yy-zz.po", "")], "texts/xx-yy-zz.po: 'xx-yy-zz' is no language"),
        ([("logo.svg", SVG), ("logo.png", b"")], "has two logos"),
        ([("logo.png", b"x" * 1_000_001)], "logo.png: is larger than 1000000 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_named_with_its_file(
    write: Callable[..., Path], files: list[tuple[str, Any]], mistake: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read_theme(write(*files), NAMES)
    (line,) = refusal.value.mistakes
    assert line.startswith("pages.theme: ")
    assert mistake in line


def test_all_mistakes_are_named_at_once(write: Callable[..., Path]) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read_theme(write(("a.css", ""), ("login.html", "{% if %}"), ("texts/de.po", "?")), NAMES)
    assert len(refusal.value.mistakes) == 3


def test_a_missing_folder_stops_the_start(make_settings: Callable[..., Any], tmp_path: Path) -> None:
    """Relative to the folder of the configuration file, as every path in it."""
    settings = make_settings(pages={"theme": "nowhere"})
    with pytest.raises(ConfigurationError, match=rf"pages\.theme: {tmp_path / 'nowhere'} is no folder"):
        OpenIDProvider(settings)


def test_a_theme_may_bring_the_default_language(make_settings: Callable[..., Any], write: Callable[..., Path]) -> None:
    write(("texts/fr.po", 'msgid "Log in"\nmsgstr "Connexion"\n'))
    provider = OpenIDProvider(make_settings(pages={"theme": "theme", "default_locale": "fr"}))
    assert provider.metadata["ui_locales_supported"] == ["en", "de", "fr"]
    with pytest.raises(ConfigurationError, match=r"pages\.default_locale"):
        OpenIDProvider(make_settings(pages={"default_locale": "fr"}))
