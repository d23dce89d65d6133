"""What a Redis holds, how it keeps it, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from . import Collection, StoreRefused
from .examination import Contents, Examination, missing_problems, newer_documents
from .redis_connection import Connected
from .redis_durability import facts_of, shortcomings
from .redis_layout import collection_names, layout_of, missing_parts


def examine_database(connected: Connected, collections: Sequence[Collection], now: bytes) -> Examination:
    """Count all of it, some at a time, so that others are answered in between. `now` says what has expired."""
    facts = facts_of(connected)
    examination = Examination(facts=dict(_server(facts)))
    forgets = list(shortcomings(connected, facts))
    examination.facts["acknowledged writes"] = "may be lost" if forgets else "are on the disk"
    examination.problems += forgets if not connected.may_lose_writes else []
    try:
        examination.facts["layout"] = layout_of(connected) or "none yet"
        examination.problems += missing_problems(missing_parts(connected, collections))
        examination.contents += _contents(connected, collections, now)
        examination.problems += newer_documents(examination.contents, collections)
    except StoreRefused as refusal:
        examination.problems.append(str(refusal))
    return examination


def _server(facts: Mapping[str, str]) -> Iterator[tuple[str, str | int]]:
    if not facts:
        return
    yield "server", f"Redis {facts.get('redis_version', '')}"
    yield "deployment", _deployment(facts.get("role", ""), int(facts.get("connected_slaves", "0")))
    most = facts.get("maxmemory_human", "0B")
    yield "memory", f"{facts.get('used_memory_human', '')}{'' if most == '0B' else f' of {most}'}"


def _deployment(role: str, replicas: int) -> str:
    if role != "master":
        return "a replica, which takes no writes"
    if replicas:
        return f"a primary of {replicas}: what it has not yet sent to them is lost where one takes its place"
    return "a single server: where it is lost, nothing takes its place"


def _contents(connected: Connected, collections: Iterable[Collection], now: bytes) -> list[Contents]:
    """Of each collection that is declared, and of all others that there are."""
    names = {collection.name for collection in collections} | collection_names(connected)
    return [contents for name in sorted(names) for contents in _contents_of(connected, name, now)]


def _contents_of(connected: Connected, name: str, now: bytes) -> Iterator[Contents]:
    found: Counter[tuple[int, str]] = Counter()
    last: bytes | None = b""
    while last is not None:
        last, *counted = connected.call("count", now, name.encode(), last)
        for schema, state, number in zip(counted[::3], counted[1::3], counted[2::3], strict=True):
            found[int(schema), state.decode()] += number
    schemas = sorted({schema for schema, _ in found})
    if not schemas:
        yield Contents(name, None, 0, 0, 0)
    for schema in schemas:
        valid, kept, unswept = (found[schema, state] for state in ("valid", "kept", "unswept"))
        yield Contents(name, schema, valid + kept + unswept, kept, unswept)
