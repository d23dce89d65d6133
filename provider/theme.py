"""A theme: a folder of the operator's with a logo, colours, texts and templates that go over ours.

    style.css           after our stylesheet, so that it has the last word
    logo.svg, logo.png  in place of the name; one of them
    texts/de.po         texts that differ from ours, or a language that we do not have
    login.html          in place of the template of that name; `_*.html` are parts of your own

It is read once, and what is wrong with it stops the start: nobody learns of a misspelt template from a customer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from gettext import NullTranslations
from pathlib import Path

from babel.messages.catalog import Catalog
from jinja2 import Environment, TemplateError, nodes

from .catalogues import SOURCE_LANGUAGE, CatalogueError, read_catalogue
from .errors import ConfigurationError
from .page_templates import make_environment

_LARGEST = 1_000_000
"""Bytes of one file: every worker keeps them in memory."""
_LOGOS = {"logo.svg": "image/svg+xml", "logo.png": "image/png"}


@dataclass(frozen=True, slots=True)
class Logo:
    """An image, and its media type."""

    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Theme:
    """What the operator puts over ours. Without a folder it is empty."""

    stylesheet: bytes = b""
    logo: Logo | None = None
    templates: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, Catalog] = field(default_factory=dict)


def read_theme(folder: Path | None, template_names: Collection[str]) -> Theme:
    """The theme in a folder. `template_names` are those of ours, of which it may have its own.

    Raises ConfigurationError with all that is wrong with it.
    """
    if folder is None:
        return Theme()
    if not folder.is_dir():
        raise ConfigurationError(f"pages.theme: {folder} is no folder")
    return _ThemeReader(folder, template_names).read()


class _ThemeReader:
    """Reads one folder and remembers its mistakes."""

    def __init__(self, folder: Path, template_names: Collection[str]) -> None:
        self._folder = folder
        self._template_names = template_names
        self._mistakes: list[str] = []
        self._files: dict[str, bytes] = {}
        self._templates: dict[str, str] = {}
        self._texts: dict[str, Catalog] = {}

    def read(self) -> Theme:
        for path in self._paths():
            self._read(path)
        self._check_templates()
        logos = [Logo(self._files[name], kind) for name, kind in _LOGOS.items() if name in self._files]
        if len(logos) > 1:
            self._mistakes.append(f"pages.theme: {self._folder} has two logos: keep one")
        if self._mistakes:
            raise ConfigurationError(*self._mistakes)
        return Theme(self._files.get("style.css", b""), logos[0] if logos else None, self._templates, self._texts)

    def _paths(self) -> Iterator[Path]:
        """All files, less those that editors and file managers hide."""
        for path in sorted(self._folder.rglob("*")):
            inside = path.relative_to(self._folder)
            if path.is_file() and not any(part.startswith(".") for part in inside.parts):
                yield path

    def _read(self, path: Path) -> None:
        name = path.relative_to(self._folder).as_posix()
        try:
            content = path.read_bytes()
            if len(content) > _LARGEST:
                self._refuse(name, f"is larger than {_LARGEST} bytes")
            elif name == "style.css" or name in _LOGOS:
                self._files[name] = content
            elif name.startswith("texts/") and name.endswith(".po") and name.count("/") == 1:
                self._texts[path.stem] = read_catalogue(content, path.stem)
            elif name in self._template_names or (name.startswith("_") and name.endswith(".html")):
                self._templates[name] = content.decode()
            else:
                self._refuse(name, "is nothing that a theme has (docs/pages.md)")
        except OSError as error:
            self._refuse(name, f"cannot be read: {error.strerror}")
        except (CatalogueError, UnicodeError) as error:
            self._refuse(name, str(error))

    def _check_templates(self) -> None:
        """They compile, and leave the escaping of values on."""
        environment = make_environment(self._templates.get, SOURCE_LANGUAGE, NullTranslations())
        for name, source in self._templates.items():
            try:
                environment.compile(source)
                if _switches_escaping(environment, source):
                    self._refuse(name, "autoescape cannot be switched")
            except TemplateError as error:
                self._refuse(name, f"line {getattr(error, 'lineno', '?')}: {error.message}")

    def _refuse(self, name: str, problem: str) -> None:
        self._mistakes.append(f"pages.theme: {self._folder / name}: {problem}")


def _switches_escaping(environment: Environment, source: str) -> bool:
    return any(environment.parse(source).find_all(nodes.EvalContextModifier))
