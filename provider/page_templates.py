"""The templates of pages: where they are found, and what every one of them can use.

Texts are marked `{{ _("…") }}`, with placeholders `{{ _("Hello %(name)s", name=name) }}`; those that come from Python
code are shown by `{{ text | translated }}`, moments (seconds since the epoch) by `{{ moment | when }}`. All values are
escaped, and nothing can switch that off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from gettext import NullTranslations
from importlib.resources import files

from babel.dates import format_date, format_datetime, format_timedelta
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from .catalogues import translatable

OUR_PACKAGE = "creance.provider"
OURS = "creance/"
"""Before the name of a template: that of the package, whatever the theme has."""

_A_MINUTE = 60.0
_MOST_TEXTS = 1000
"""Remembered for one language: more than there are."""
_A_WEEK = timedelta(days=7)
_JUST_NOW = translatable("just now")
USUAL_LINKS = (translatable("Privacy"), translatable("Help"), translatable("Terms"), translatable("Imprint"))
"""Texts of the setting `pages.links` that are translated without a theme."""

Load = Callable[[str], str | None]


def package_template(package: str, name: str) -> str | None:
    """The source of a template of a package, or of the provider's (`base.html`)."""
    for place in dict.fromkeys((package, OUR_PACKAGE)):
        template = files(place) / "templates" / name
        if template.is_file():
            return template.read_text("utf-8")
    return None


def template_names(packages: Iterable[str]) -> set[str]:
    """The templates of packages, those of the provider among them."""
    folders = (files(place) / "templates" for place in {OUR_PACKAGE, *packages})
    names = (file.name for folder in folders if folder.is_dir() for file in folder.iterdir())
    return {name for name in names if name.endswith(".html")}


def template_loader(package: str, theme: Mapping[str, str]) -> Load:
    """Finds a template in the theme, then in the package, then in the provider. A theme that changes a part of one of
    ours extends it by the name `creance/login.html`.
    """

    def load(name: str) -> str | None:
        ours = name.removeprefix(OURS)
        return theme[name] if name in theme else package_template(package, ours)

    return load


def make_environment(load: Load, language: str, texts: NullTranslations) -> Environment:
    """Jinja for one language: a template is compiled once, when it is first shown."""
    environment = Environment(
        loader=FunctionLoader(load),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(texts, newstyle=True)  # type: ignore[attr-defined]
    environment.globals |= _gettext_functions(texts)
    environment.filters["translated"] = texts.gettext
    environment.filters["when"] = lambda moment: when(moment, language, texts)
    del environment.filters["safe"]
    return environment


def _gettext_functions(texts: NullTranslations) -> dict[str, Callable[..., Markup]]:
    """What Jinja's own do, but a text is looked up once, not each time that it is shown: half of a page's cost."""

    @lru_cache(_MOST_TEXTS)
    def translation(text: str) -> Markup:
        return Markup(texts.gettext(text))  # noqa: S704 - ours, or the operator's

    @lru_cache(_MOST_TEXTS)
    def without_values(text: str) -> Markup:
        return translation(text) % {}

    def gettext(text: str, **values: object) -> Markup:
        return translation(text) % values if values else without_values(text)

    def ngettext(singular: str, plural: str, number: int, **values: object) -> Markup:
        text = Markup(texts.ngettext(singular, plural, number))  # noqa: S704 - the same
        return text % {"num": number, **values}

    return {"_": gettext, "gettext": gettext, "ngettext": ngettext}


def when(moment: float, language: str, texts: NullTranslations) -> Markup:
    """A moment in words: how long ago within a week, which is true in every time zone; the date before that.

    The exact time is there for whoever points at it.
    """
    moment_utc = datetime.fromtimestamp(moment, UTC)
    away = timedelta(seconds=moment - time.time())
    locale = language.replace("-", "_")
    if abs(away.total_seconds()) < _A_MINUTE:
        words = texts.gettext(_JUST_NOW)
    elif abs(away) < _A_WEEK:
        words = format_timedelta(away, add_direction=True, locale=locale)
    else:
        words = format_date(moment_utc, "long", locale=locale)
    exact = format_datetime(moment_utc, "medium", locale=locale)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        moment_utc.isoformat(timespec="seconds"), exact, words
    )
