"""Request headers, by name in any case (RFC 9110 5.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class EnvironHeaders(Mapping[str, str]):
    """The headers of a WSGI environ, looked up one by one: nothing is copied."""

    def __init__(self, environ: Mapping[str, object]) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        return str(self._environ["HTTP_" + name.upper().replace("-", "_")])

    def __iter__(self) -> Iterator[str]:
        return (key[5:].replace("_", "-").title() for key in self._environ if key.startswith("HTTP_"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def any_case(headers: Mapping[str, str] | None) -> Mapping[str, str]:
    """A host's own mapping of headers, looked up in any case."""
    return EnvironHeaders({"HTTP_" + name.upper().replace("-", "_"): value for name, value in (headers or {}).items()})
