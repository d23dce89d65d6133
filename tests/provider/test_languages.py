"""Which language a page is in."""

from __future__ import annotations

import pytest
from babel import Locale
from creance.provider import ConfigurationError
from creance.provider.languages import Languages, direction
from hypothesis import given
from hypothesis import strategies as st

LANGUAGES = Languages(["en", "de", "pt-BR", "zh-Hant"], "en")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("de-CH-1996", "de"),
        ("fr, de", "de"),
        ("en;q=0.5, de;q=0.8", "de"),
        ("de;q=0.8, en;q=0.8", "de"),
        ("fr;q=1.0, de;q=0.001", "de"),
        ("de;q=0, en", "en"),
        ("de ; q=0.9 , en;q=0.1", "de"),
        ("de;Q=1.000", "de"),
        ("pt-br", "pt-BR"),
        ("pt", "en"),
        ("zh-Hant-x-private", "zh-Hant"),
        ("*", "en"),
        ("*, de", "de"),
        ("de;q=2, fr", "en"),
        ("de;q=0.1234", "en"),
        ("de;q=", "en"),
        ("de;level=1", "en"),
        ("de_DE", "en"),
        ("d\u00e9, de", "de"),
        ("<script>", "en"),
        (",,;;,=", "en"),
        ("fr," * 19 + "de", "de"),
        ("fr," * 20 + "de", "en"),
        ("x" * 5000 + ",de", "en"),
    ],
)
def test_what_the_browser_prefers(header: str, language: str) -> None:
    """RFC 9110 12.4.2, 12.5.4; RFC 4647 3.4."""
    assert LANGUAGES.preferred(header) == language


@pytest.mark.parametrize(
    ("ui_locales", "language"),
    [
        ("de", "de"),
        ("fr-CA fr de en", "de"),
        ("de-AT-1996 en", "de"),
        ("fr", None),
        ("", None),
        ("de;q=0.1", None),
        ("fr " * 20 + "de", None),
        ("\0", None),
    ],
)
def test_what_the_app_asks_for(ui_locales: str, language: str | None) -> None:
    """OpenID Connect Core 3.1.2.1: an order of preference, and no error where none is supported."""
    assert LANGUAGES.asked_for(ui_locales) == language


@given(st.text(max_size=2000))
def test_garbage_is_the_default_and_no_error(text: str) -> None:
    """RFC 9110 12.5.4: nobody is refused for a language."""
    assert LANGUAGES.preferred(text) in LANGUAGES.supported
    assert LANGUAGES.asked_for(text) in (None, *LANGUAGES.supported)


def test_the_operators_language_is_one_that_there_is() -> None:
    assert Languages(["en", "de"], "DE").preferred("fr") == "de"
    with pytest.raises(ConfigurationError, match=r"pages\.default_locale: there are no texts in 'fr', but in en, de"):
        Languages(["en", "de"], "fr")


@pytest.mark.parametrize("tag", ["en", "de", "fr", "ar", "fa", "he", "ur", "ar-EG", "zh-Hant"])
def test_a_page_runs_as_its_language_does(tag: str) -> None:
    """HTML 3.2.6.4 (dir), as CLDR has it."""
    assert direction(tag) == Locale.parse(tag, sep="-").text_direction
