"""What every template can use: texts, moments, and values that stay values."""

from __future__ import annotations

import re
from gettext import NullTranslations

import pytest
from creance.provider.catalogues import chained, package_catalogues
from creance.provider.page_templates import make_environment
from jinja2 import TemplateAssertionError, UndefinedError
from markupsafe import Markup

from ..conftest import Clock

GERMAN = chained("de", [package_catalogues("creance.provider")])
HOSTILE = [
    "{{ 7 * 7 }}",
    "{% raw %}",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "%(name)s %s %",
    "'",
]


def shown(source: str, language: str = "en", **values: object) -> str:
    texts = GERMAN if language == "de" else NullTranslations()
    return make_environment({"page": source}.get, language, texts).get_template("page").render(**values)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize(
    "source",
    [
        "{{ app }}",
        '{{ _("%(app)s asks", app=app) }}',
        "{% trans app %}<bdi>{{ app }}</bdi> asks{% endtrans %}",
        "{{ app | translated }}",
        "{% set shown %}{{ app }}{% endset %}{{ shown }}",
    ],
)
def test_a_value_is_never_markup_nor_a_template(source: str, hostile: str) -> None:
    """OWASP, server-side template injection and XSS: names of clients and claims are somebody else's."""
    page = shown(source, app=hostile)
    assert Markup.escape(hostile) in page
    assert "<script" not in page
    assert "<img" not in page


def test_a_value_that_is_not_there_is_an_error() -> None:
    """StrictUndefined: an empty place on a page is found by a test, not by a person."""
    with pytest.raises(UndefinedError):
        shown("{{ nobody }}")


def test_escaping_has_no_switch() -> None:
    with pytest.raises(TemplateAssertionError):
        shown("{{ app | safe }}", app="<b>")


@pytest.mark.parametrize(
    ("ago", "english", "german"),
    [
        (5, "just now", "gerade eben"),
        (-30, "just now", "gerade eben"),
        (190, "3 minutes ago", "vor 3 Minuten"),
        (7300, "2 hours ago", "vor 2 Stunden"),
        (-7300, "in 2 hours", "in 2 Stunden"),
        (3 * 86400, "3 days ago", "vor 3 Tagen"),
    ],
)
def test_a_moment_of_these_days_is_told_by_its_distance(clock: Clock, ago: float, english: str, german: str) -> None:
    """True in whatever time zone the person is."""
    moment = clock() - ago
    assert f">{english}</time>" in shown("{{ moment | when }}", moment=moment)
    assert f">{german}</time>" in shown("{{ moment | when }}", "de", moment=moment)


def test_a_moment_of_long_ago_is_a_date() -> None:
    """HTML 4.5.14: with the exact time for programs, and for who points at it."""
    page = shown("{{ moment | when }}", moment=1_000_000_000)
    assert '<time datetime="2001-09-09T01:46:40+00:00"' in page
    assert re.search(r'title="Sep 9, 2001, 1:46:40\sAM UTC">September 9, 2001</time>', page)
    assert ">9. September 2001</time>" in shown("{{ moment | when }}", "de", moment=1_000_000_000)


def test_a_moment_within_a_text_stays_an_element() -> None:
    page = shown('{{ _("Since %(since)s", since=moment | when) }}', moment=1_000_000_000)
    assert page.startswith("Since <time ")
