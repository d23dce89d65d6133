"""Message catalogues: the texts of pages in several languages, as gettext has them.

The source language is English: the texts in templates and code. `locales/de.po` beside the templates of a package has
them in German. Catalogues are read once, when the provider starts, and compiled in memory.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from importlib.resources.abc import Traversable

from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

from .errors import ConfigurationError

SOURCE_LANGUAGE = "en"

_PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")


class CatalogueError(ConfigurationError):
    """A catalogue cannot be used; the text says where and why."""


def translatable(text: str) -> str:
    """Marks a text of Python code for the catalogues; a page shows it by `{{ text | translated }}`."""
    return text


def read_catalogue(po: bytes, language: str) -> Catalog:
    """A catalogue, checked. Raises CatalogueError."""
    try:
        locale = Locale.parse(language, sep="-")
    except (ValueError, UnknownLocaleError):
        raise CatalogueError(f"{language!r} is no language (BCP 47)") from None
    try:
        catalogue = read_po(io.BytesIO(po), locale=locale, abort_invalid=True)
    except (PoFileError, UnicodeError, ValueError) as error:
        raise CatalogueError(str(error)) from None
    for message in catalogue:
        if message.id and (problem := placeholder_problem(message)):
            raise CatalogueError(f"line {message.lineno}: {problem}")
    return catalogue


def placeholder_problem(message: Message) -> str | None:
    """What would fail when the translation is shown: a placeholder that the text does not have, or a stray %."""
    known = {name for text in _texts(message.id) for name in _PLACEHOLDER.findall(text)}
    for text in _texts(message.string):
        if unknown := set(_PLACEHOLDER.findall(text)) - known:
            return f"no such placeholder: {', '.join(sorted(unknown))}"
        if "%" in _PLACEHOLDER.sub("", text).replace("%%", ""):
            return "a % that is not the beginning of a placeholder must be written %%"
    return None


def _texts(texts: str | Iterable[str] | None) -> tuple[str, ...]:
    """Of a message with plural forms there are several."""
    return (texts,) if isinstance(texts, str) else tuple(texts or ())


def compiled(catalogue: Catalog) -> GNUTranslations:
    """What gettext looks texts up in. Texts without a translation, and those marked as fuzzy, are not in it."""
    buffer = io.BytesIO()
    write_mo(buffer, catalogue)
    buffer.seek(0)
    return GNUTranslations(buffer)


def languages_of(package: str) -> list[str]:
    """The languages that a package has its texts in, the source language first."""
    return [SOURCE_LANGUAGE, *_catalogue_files(package)]


def package_catalogues(package: str) -> Mapping[str, Catalog]:
    """The catalogues in a package's folder `locales`, by language. Raises CatalogueError."""
    catalogues = {}
    for language, file in _catalogue_files(package).items():
        try:
            catalogues[language] = read_catalogue(file.read_bytes(), language)
        except CatalogueError as error:
            raise CatalogueError(f"{package}: locales/{file.name}: {error}") from None
    return catalogues


def _catalogue_files(package: str) -> dict[str, Traversable]:
    folder = files(package) / "locales"
    found = sorted(folder.iterdir(), key=lambda file: file.name) if folder.is_dir() else []
    return {file.name.removesuffix(".po"): file for file in found if file.name.endswith(".po")}


def chained(language: str, sources: Iterable[Mapping[str, Catalog]]) -> NullTranslations:
    """One language out of several sources: what the first does not have is looked up in the next, and stays English at
    last.
    """
    first = NullTranslations()
    for source in sources:
        if language in source:
            first.add_fallback(compiled(source[language]))
    return first
