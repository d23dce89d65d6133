"""Which language a page is shown in: what the app asks for, then what the browser prefers, then the operator's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .errors import ConfigurationError

_LONGEST = 1000
"""Characters of a list of languages that are looked at."""
_MOST = 20
"""Languages of a list that are looked at."""

_RIGHT_TO_LEFT = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "syr", "ug", "ur", "yi"})

_RANGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")
_WEIGHT = re.compile(r"[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def direction(tag: str) -> str:
    """HTML 3.2.6.4, `dir`. CLDR knows it too, at 5 MB and a tenth of a second for each worker."""
    return "rtl" if tag.partition("-")[0].lower() in _RIGHT_TO_LEFT else "ltr"


class Languages:
    """The languages that pages can be shown in, as tags of BCP 47."""

    def __init__(self, supported: Iterable[str], default: str) -> None:
        """Raises ConfigurationError where the default is not among those that are supported."""
        self._by_lower_case = {tag.lower(): tag for tag in supported}
        self.supported = tuple(self._by_lower_case.values())
        if default.lower() not in self._by_lower_case:
            raise ConfigurationError(
                f"pages.default_locale: there are no texts in {default!r}, but in {', '.join(self.supported)}"
            )
        self._default = self._by_lower_case[default.lower()]

    def asked_for(self, ui_locales: str) -> str | None:
        """OpenID Connect Core 3.1.2.1: tags separated by spaces, in order of preference. None where none of them is
        supported, which is no error.
        """
        return self._lookup(ui_locales[:_LONGEST].split()[:_MOST])

    def preferred(self, accept_language: str) -> str:
        """RFC 9110 12.5.4: the language that the browser wants most, else the default."""
        return self._lookup(_by_weight(accept_language)) or self._default

    def _lookup(self, ranges: Iterable[str]) -> str | None:
        """RFC 4647 3.4: each range in turn, shortened from its end until it is one of ours."""
        for each in ranges:
            subtags = each.lower().split("-") if _RANGE.fullmatch(each) else []
            while subtags:
                if found := self._by_lower_case.get("-".join(subtags)):
                    return found
                subtags.pop()
                if subtags and len(subtags[-1]) == 1:  # it introduces what has just been cut off
                    subtags.pop()
        return None


def _by_weight(accept_language: str) -> list[str]:
    """The ranges of the header, the most wanted first. What is not well-formed is not there."""
    weighed = sorted(_weighed(accept_language[:_LONGEST].split(",")[:_MOST]), key=lambda pair: -pair[0])
    return [tag for weight, tag in weighed if weight > 0]


def _weighed(parts: Iterable[str]) -> Iterator[tuple[float, str]]:
    for part in parts:
        tag, semicolon, parameter = (text.strip() for text in part.partition(";"))
        weight = _WEIGHT.fullmatch(parameter)
        if _RANGE.fullmatch(tag) and bool(weight) == bool(semicolon):
            yield (float(weight[1]) if weight else 1.0), tag
