"""What changes rarely is remembered: for some seconds, and only so much of it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from creance.provider.cache import SECONDS, ReadThrough


class Source:
    def __init__(self) -> None:
        self.read: list[str] = []
        self.answer: str | None = "one"

    def __call__(self, key: str) -> str | None:
        self.read.append(key)
        return self.answer


def test_what_was_read_is_remembered_also_that_there_is_nothing() -> None:
    """DESIGN, Performance: clients and users are cached for seconds."""
    source = Source()
    cache = ReadThrough(source)
    source.answer = None
    assert [cache("a"), cache("a"), cache("b")] == [None, None, None]
    assert source.read == ["a", "b"]


def test_it_is_forgotten_within_seconds() -> None:
    """Issue 3, command line: changes are seen by running workers within 10 seconds."""
    source = Source()
    cache = ReadThrough(source, seconds=0.05)
    cache("a")
    time.sleep(0.06)
    source.answer = "two"
    assert cache("a") == "two"
    assert SECONDS <= 10


def test_what_was_changed_here_is_read_anew() -> None:
    """Issue 3, command line."""
    source = Source()
    cache = ReadThrough(source)
    cache("a")
    source.answer = "two"
    cache.forget("a")
    cache.forget("never read")
    assert cache("a") == "two"


def test_it_does_not_grow_without_end() -> None:
    """DESIGN, The store: growth."""
    source = Source()
    cache = ReadThrough(source, size=10)
    for number in range(100):
        cache(str(number))
    assert len(cache._cache) == 10


def test_a_failed_read_is_not_remembered() -> None:
    """DESIGN, The store: the next request works when the store is back."""

    class Fails(Exception):
        pass

    answers: list[Exception | str] = [Fails(), "back"]

    def read(key: str) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    cache = ReadThrough(read)
    with pytest.raises(Fails):
        cache("a")
    assert cache("a") == "back"


def test_many_threads_may_ask() -> None:
    """DESIGN, The host: many threads."""
    cache = ReadThrough(lambda key: key, size=8, seconds=0.001)
    with ThreadPoolExecutor(8) as pool:
        keys = [str(number % 20) for number in range(2000)]
        assert list(pool.map(cache, keys)) == keys
