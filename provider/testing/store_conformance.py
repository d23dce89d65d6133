"""The store contract as tests, one for each promise, for the authors of a backend.

A backend is tested by a class of its own with one fixture, `make_store`: a function that returns a new store, not yet
opened, each time it is called. All of them are on the same data, as several workers would be, but in one process: where
a library may open its file only once a process, stores share that. Each test finds a place where no data is. What the
fixture made it need not close.

    class TestMine(StoreConformance):
        password = "hunter2"        # the one in the URI, if there is one

        @pytest.fixture
        def make_store(self, tmp_path):
            return lambda: MyStore.from_uri("mine://me:hunter2@localhost/x", folder=tmp_path, timeout=10)

Give it a generous timeout: some tests let 16 threads loose on a few documents. What a kit for all backends cannot show
(races between processes, death in the middle of a write, StoreUnavailable in time, StoreRefused) is named in
docs/stores.md, with an example.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace as changed
from threading import Barrier
from typing import Any, ClassVar, TypeVar

import pytest

from ..store import (
    FOREVER,
    MAXIMUM_DEPTH,
    MAXIMUM_DOCUMENT_SIZE,
    AlreadyExists,
    AlreadyRedeemed,
    BadDocument,
    Collection,
    Conflict,
    Document,
    Expired,
    NotFound,
    Operation,
    Store,
    WriteRefused,
    delete,
    delete_where,
    ensure,
    increment,
    insert,
    redeem,
    replace,
)

MakeStore = Callable[[], Store]
OpenStore = Callable[[], Store]
T = TypeVar("T")

TOKENS = Collection("conformance_tokens", indexes=("user", "grant_id"))
CODES = Collection("conformance_codes", indexes=("user",))
COUNTERS = Collection("conformance_counters")
COLLECTIONS = (TOKENS, CODES, COUNTERS)

THREADS = 16
ROUNDS = 5

VALUES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "text": {"a": "alice", "empty": ""},
    "scripts": {"é": "ß", "日本": "語", "عربى": "שלום", "emoji": "🦅👨‍👩‍👧", "combining": "e\u0301"},
    "controls": {"a": 'tab\t line\n return\r quote" slash\\ bell\x07 delete\x7f', "b": "\u2028\u2029\ufeff\uffff"},
    "a backslash before u0000": {"a": "\\u0000"},
    "claim names": {"https://example.org/a.b": 1, "$where": 2, "a.b.c": 3, "": 4, "_id": 5, "__proto__": 6},
    "truth": {"yes": True, "no": False, "none": None},
    "integers": {"zero": 0, "minus": -1, "time": 1_800_000_000, "most": 2**63 - 1, "least": -(2**63)},
    "floats": {"a": 0.1, "b": -2.5e-300, "c": 1.7976931348623157e308, "d": 1.0, "e": 1_800_000_000.123456},
    "lists": {"a": [], "b": ["x", "x"], "c": [1, "1", None, [True, {"d": {}}]]},
    "nested": {"address": {"country": {"name": "Österreich"}}, "same": {"same": {"same": {}}}},
    "a number in an indexed field": {"user": 7, "grant_id": None},
    "a list in an indexed field": {"user": ["alice"], "grant_id": {"a": "b"}},
}

KEYS = (
    "k",
    "K",
    "with space ",
    "a'b\"c`d",
    "100%_",
    "$ne",
    "a.b",
    "*?[a]",
    "../../etc",
    "https://example.org/?a=b&c",
    "line\nend",
    "ключ",
    "鍵",
    "🔑",
    "k" * 500,
)


def _nested(depth: int) -> dict[str, Any]:
    return {"a": _nested(depth - 1)} if depth > 1 else {}


BAD_VALUES: dict[str, dict[str, Any]] = {
    "NUL in a text": {"a": "x\0y"},
    "NUL in a name": {"x\0y": "a"},
    "NUL deep inside": {"a": [{"b": ["\0"]}]},
    "a lone surrogate in a text": {"a": "\ud800"},
    "a lone surrogate in a name": {"\udfff": "a"},
    "not a number": {"a": math.nan},
    "infinity": {"a": [math.inf]},
    "bytes": {"a": b"bytes"},
    "a set": {"a": {1}},
    "an object": {"a": object()},
    "too large": {"a": "x" * MAXIMUM_DOCUMENT_SIZE},
    "too large in UTF-8": {"a": "é" * (MAXIMUM_DOCUMENT_SIZE // 2)},
    "nested too deep": _nested(MAXIMUM_DEPTH + 1),
    "nested far too deep": _nested(900),
}

BAD_KEYS = {"empty": "", "NUL": "a\0b", "a lone surrogate": "a\ud800"}


def soon(seconds: float = 60) -> float:
    """A time that no test lives to see."""
    return time.time() + seconds


def ago(seconds: float = 60) -> float:
    return time.time() - seconds


def pass_by(moment: float) -> None:
    """Wait until a time is over."""
    while time.time() <= moment:
        time.sleep(0.01)


def before_its_end(work: Callable[[float], T]) -> tuple[float, T]:
    """Do the work with something that ends in a second, which it must not live to see: again, where the machine stopped
    for so long. Answers when the end is, and what the work answered.
    """
    for _ in range(10):
        end = time.time() + 1
        try:
            answer = work(end)
        except (WriteRefused, AssertionError):
            if time.time() < end:
                raise
        else:
            if time.time() < end:
                return end, answer
    raise AssertionError("a few reads and writes take longer than a second each time")


def together(count: int, work: Callable[[int], T]) -> list[T | Exception]:
    """Do the work so many times at once, each in a thread with a number; answer what each answered or raised."""
    barrier = Barrier(count)

    def run(number: int) -> T | Exception:
        barrier.wait()
        try:
            return work(number)
        except Exception as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def refusals(outcomes: Sequence[object]) -> list[WriteRefused]:
    """Those that were refused. Anything else that was raised is raised again."""
    for outcome in outcomes:
        if isinstance(outcome, Exception) and not isinstance(outcome, WriteRefused):
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, WriteRefused)]


def read(store: Store, collection: Collection, key: str) -> Document:
    """The document, which is there."""
    document = store.get(collection, key)
    assert document is not None
    return document


def kept(store: Store, collection: Collection, key: str) -> Document:
    document = store.get_kept(collection, key)
    assert document is not None
    return document


def unversioned(document: Document) -> Document:
    """What every store has alike."""
    return changed(document, version=0)


def keys(documents: Sequence[Document]) -> list[str]:
    return sorted(document.key for document in documents)


class StoreConformance:
    """What every backend promises. A failing test's docstring says what is not kept."""

    password: ClassVar[str | None] = None
    """The password in the URI of `make_store`, which nothing may show."""

    sweeps_itself: ClassVar[bool] = False
    """True where a server removes documents on its own, so that `sweep` may find fewer."""

    @pytest.fixture
    def open_store(self, make_store: MakeStore) -> Iterator[OpenStore]:
        """Another store on the same data, open; closed when the test ends."""
        stores: list[Store] = []

        def open_one() -> Store:
            store = make_store()
            stores.append(store)
            store.open(COLLECTIONS)
            return store

        yield open_one
        for store in stores:
            store.close()

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Store:
        return open_store()

    # Opening and closing

    def test_opening_twice_changes_nothing(self, store: Store) -> None:
        """open: idempotent."""
        store.write([insert(TOKENS, "k", {"user": "alice"})])
        store.open(COLLECTIONS)
        assert read(store, TOKENS, "k").value == {"user": "alice"}
        assert keys(store.find(TOKENS, "user", "alice")) == ["k"]

    def test_many_workers_open_an_empty_place_at_once(self, make_store: MakeStore) -> None:
        """open: idempotent, also with many workers at once."""
        stores = [make_store() for _ in range(8)]

        def start(number: int) -> None:
            stores[number].open(COLLECTIONS)
            stores[number].write([insert(TOKENS, str(number), {"user": "alice"})])

        try:
            outcomes = together(8, start)
            assert outcomes == [None] * 8
            assert all(len(store.find(TOKENS, "user", "alice")) == 8 for store in stores)
        finally:
            for store in stores:
                store.close()

    def test_a_field_indexed_later_finds_older_documents(self, make_store: MakeStore, open_store: OpenStore) -> None:
        """open: makes what the declared collections need, which may be more than before."""
        first = make_store()
        first.open([Collection(TOKENS.name)])
        first.write([insert(TOKENS, "old", {"user": "alice"})])
        first.close()
        assert keys(open_store().find(TOKENS, "user", "alice")) == ["old"]

    def test_a_collection_that_is_not_declared_keeps_its_documents(
        self, make_store: MakeStore, open_store: OpenStore
    ) -> None:
        """open: removes nothing."""
        open_store().write([insert(CODES, "c", {"user": "alice"})])
        other = make_store()
        other.open([TOKENS])
        other.close()
        assert read(open_store(), CODES, "c").value == {"user": "alice"}

    def test_the_declared_collections_are_known(self, store: Store) -> None:
        """collections: those that the store was opened with, by name."""
        assert dict(store.collections) == {collection.name: collection for collection in COLLECTIONS}

    def test_closing_twice_is_no_error(self, make_store: MakeStore) -> None:
        """close: closing twice is no error, nor is closing what was never opened."""
        store = make_store()
        store.close()
        store.open(COLLECTIONS)
        store.write([insert(TOKENS, "k", {})])
        store.close()
        store.close()
        assert store.describe()

    def test_what_was_written_outlives_the_store(self, make_store: MakeStore, open_store: OpenStore) -> None:
        """write: durable when it returns."""
        first = make_store()
        first.open(COLLECTIONS)
        first.write([insert(TOKENS, "k", {"user": "alice"}), increment(COUNTERS, "n", 3, valid_until=soon())])
        first.close()
        second = open_store()
        assert read(second, TOKENS, "k").value == {"user": "alice"}
        assert second.write([increment(COUNTERS, "n", valid_until=soon())]) == [4]

    def test_the_description_shows_no_password(self, store: Store) -> None:
        """describe: the backend and its place in a few words, never a password."""
        text = store.describe()
        assert text
        assert "\n" not in text
        assert self.password is None or self.password not in text + repr(store)

    def test_a_uri_of_another_backend_is_refused(self, store: Store, tmp_path: Any) -> None:
        """from_uri: ValueError for a URI that it does not understand; schemes are written in lower case."""
        assert store.schemes
        assert all(scheme == scheme.lower() for scheme in store.schemes)
        with pytest.raises(ValueError):  # noqa: PT011 (each backend has its own words)
            type(store).from_uri("no-such-scheme:x", folder=tmp_path, timeout=1)

    # Reading

    def test_a_document_is_read_as_it_was_written(self, store: Store) -> None:
        """get, get_kept: the document with its key and times."""
        valid_until, keep_until = float(int(soon(60))), float(int(soon(120)))
        store.write([insert(TOKENS, "k", {"user": "alice"}, valid_until, keep_until)])
        for document in (read(store, TOKENS, "k"), kept(store, TOKENS, "k")):
            assert (document.key, document.value) == ("k", {"user": "alice"})
            assert (document.valid_until, document.keep_until) == (valid_until, keep_until)
            assert document.redeemed_at is None
            assert isinstance(document.version, int)

    def test_a_document_may_last_forever(self, store: Store) -> None:
        """insert: without times a document does not expire."""
        store.write([insert(TOKENS, "k", {})])
        assert read(store, TOKENS, "k").valid_until == read(store, TOKENS, "k").keep_until == FOREVER

    def test_what_is_not_there_is_none(self, store: Store) -> None:
        """get, get_kept: None where there is no document."""
        assert store.get(TOKENS, "nobody") is None
        assert store.get_kept(TOKENS, "nobody") is None

    def test_collections_are_apart(self, store: Store) -> None:
        """A key belongs to its collection: a code is never taken for a token."""
        store.write([insert(CODES, "k", {"user": "alice"})])
        assert store.get(TOKENS, "k") is None
        assert store.find(TOKENS, "user", "alice") == []
        store.write([insert(TOKENS, "k", {"user": "bob"}), delete(CODES, "k")])
        assert read(store, TOKENS, "k").value == {"user": "bob"}

    @pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
    def test_values_come_back_as_they_were(self, store: Store, value: dict[str, Any]) -> None:
        """A store keeps JSON documents: every one of them, down to the type of a number."""
        store.write([insert(TOKENS, "k", value)])
        found = read(store, TOKENS, "k").value
        assert found == value
        assert repr(sorted(found.items())) == repr(sorted(value.items()))

    @pytest.mark.parametrize("key", KEYS)
    def test_any_text_is_a_key(self, store: Store, key: str) -> None:
        """A key is compared as it is: no pattern, no case folding, no trimming."""
        store.write([insert(TOKENS, other, {"of": other}) for other in KEYS])
        assert read(store, TOKENS, key).value == {"of": key}
        store.write([delete(TOKENS, key)])
        assert store.get_kept(TOKENS, key) is None
        assert len(store.page(TOKENS)) == len(KEYS) - 1

    def test_a_value_belongs_to_its_reader(self, store: Store) -> None:
        """Document: `value` belongs to the reader. What is done to it, or to what was written, changes nothing else."""
        value = {"user": "alice", "scope": ["openid"]}
        store.write([insert(TOKENS, "k", value)])
        value["scope"].append("admin")  # type: ignore[attr-defined]
        first = read(store, TOKENS, "k")
        first.value["scope"].append("admin")
        first.value["user"] = "mallory"
        store.find(TOKENS, "user", "alice")[0].value.clear()
        assert read(store, TOKENS, "k").value == {"user": "alice", "scope": ["openid"]}

    def test_an_expired_document_is_only_kept(self, store: Store) -> None:
        """get, find, page: valid documents only, whether or not the backend has swept; get_kept: as long as kept."""
        store.write([insert(TOKENS, "k", {"user": "alice"}, ago(), soon())])
        assert store.get(TOKENS, "k") is None
        assert store.find(TOKENS, "user", "alice") == []
        assert store.page(TOKENS) == []
        document = kept(store, TOKENS, "k")
        assert document.value == {"user": "alice"}
        assert document.valid_until < time.time() < document.keep_until

    def test_a_document_past_its_keeping_is_gone(self, store: Store) -> None:
        """get_kept: only as long as it is kept, swept or not."""
        store.write([insert(TOKENS, "k", {"user": "alice"}, ago(120), ago(60))])
        assert store.get_kept(TOKENS, "k") is None
        assert store.get(TOKENS, "k") is None
        assert store.find(TOKENS, "user", "alice") == []
        assert store.page(TOKENS) == []

    def test_documents_expire_as_time_passes(self, store: Store) -> None:
        """valid_until, keep_until: the time is looked at when a document is read."""
        end = time.time() + 0.05
        store.write(
            [
                insert(TOKENS, "kept", {"user": "alice"}, end, soon()),
                insert(TOKENS, "gone", {"user": "alice"}, end),
                insert(TOKENS, "valid", {"user": "alice"}, soon()),
            ]
        )
        pass_by(end + 0.01)
        assert store.get(TOKENS, "kept") is None
        assert store.get_kept(TOKENS, "gone") is None
        assert keys(store.find(TOKENS, "user", "alice")) == ["valid"]
        assert kept(store, TOKENS, "kept").redeemed_at is None

    def test_a_redeemed_document_is_only_kept(self, store: Store) -> None:
        """get, find, page: a redeemed document is not valid; get_kept tells when it was redeemed."""
        store.write([insert(TOKENS, "k", {"user": "alice"}, soon())])
        before = time.time()
        store.write([redeem(TOKENS, "k", soon(120))])
        assert store.get(TOKENS, "k") is None
        assert store.find(TOKENS, "user", "alice") == []
        assert store.page(TOKENS) == []
        redeemed_at = kept(store, TOKENS, "k").redeemed_at
        assert redeemed_at is not None
        assert before - 1 <= redeemed_at <= time.time() + 1

    @pytest.mark.parametrize("text", BAD_KEYS.values(), ids=BAD_KEYS.keys())
    def test_a_text_that_no_document_can_have_finds_nothing(self, store: Store, text: str) -> None:
        """check_key: reads and removals take any text; where no document can have it, there is none."""
        store.write([insert(TOKENS, "a", {"user": "a"})])
        assert store.get(TOKENS, text) is None
        assert store.get_kept(TOKENS, text) is None
        assert store.find(TOKENS, "user", text) == []
        assert store.delete_where(TOKENS, "user", text) == 0
        store.write([delete(TOKENS, text)])
        with pytest.raises(NotFound):
            store.write([redeem(TOKENS, text, soon())])
        assert read(store, TOKENS, "a").value == {"user": "a"}

    # Finding

    def test_documents_are_found_by_a_declared_field(self, store: Store) -> None:
        """find: the documents whose declared field has exactly this value."""
        users = ["alice", "alice", "Alice", "alice ", "alic", "alice%", "älice", "' OR 1=1 --", "7", "null", ""]
        store.write([insert(TOKENS, f"k{n}", {"user": user, "grant_id": str(n)}) for n, user in enumerate(users)])
        store.write(
            [insert(TOKENS, "none", {}), insert(TOKENS, "number", {"user": 7}), insert(TOKENS, "nil", {"user": None})]
        )
        for user in users:
            expected = [f"k{n}" for n, other in enumerate(users) if other == user]
            assert keys(store.find(TOKENS, "user", user)) == sorted(expected)
        assert keys(store.find(TOKENS, "grant_id", "3")) == ["k3"]
        assert store.find(TOKENS, "user", "nobody") == []

    def test_finding_follows_what_was_written(self, store: Store) -> None:
        """find: by the value that a document has now."""
        store.write([insert(TOKENS, "k", {"user": "alice"})])
        store.write([replace(TOKENS, read(store, TOKENS, "k"), {"user": "bob"})])
        assert store.find(TOKENS, "user", "alice") == []
        assert [document.value for document in store.find(TOKENS, "user", "bob")] == [{"user": "bob"}]
        store.write([delete(TOKENS, "k")])
        assert store.find(TOKENS, "user", "bob") == []

    def test_finding_is_bounded(self, store: Store) -> None:
        """find: at most `limit` documents."""
        store.write([insert(TOKENS, str(n), {"user": "alice"}) for n in range(10)])
        assert len(store.find(TOKENS, "user", "alice", limit=3)) == 3
        assert len(store.find(TOKENS, "user", "alice")) == 10

    def test_what_is_dead_does_not_hide_what_is_valid(self, store: Store) -> None:
        """find, page: `limit` counts valid documents."""
        store.write([insert(TOKENS, f"a{n}", {"user": "alice"}, ago(), soon()) for n in range(10)])
        store.write([insert(TOKENS, "b", {"user": "alice"})])
        assert keys(store.find(TOKENS, "user", "alice", limit=1)) == ["b"]
        assert keys(store.page(TOKENS, limit=1)) == ["b"]

    @pytest.mark.parametrize("field", ["scope", "key", "value", "redeemed_at", "_id", "user.name", "", "user' OR '1"])
    def test_a_field_that_was_not_declared_is_refused(self, store: Store, field: str) -> None:
        """find, delete_where: an undeclared field is a ValueError, and nothing is removed."""
        store.write([insert(TOKENS, "k", {"user": "alice", "scope": "a"})])
        with pytest.raises(ValueError):  # noqa: PT011
            store.find(TOKENS, field, "a")
        with pytest.raises(ValueError):  # noqa: PT011
            store.delete_where(TOKENS, field, "a")
        with pytest.raises(ValueError):  # noqa: PT011
            store.find(CODES, "grant_id", "a")
        assert read(store, TOKENS, "k").value["user"] == "alice"

    def test_removing_by_a_field_takes_all(self, store: Store) -> None:
        """delete_where: removes all documents with the value, also kept ones, and answers how many."""
        store.write(
            [
                insert(TOKENS, "valid", {"user": "alice"}),
                insert(TOKENS, "expired", {"user": "alice"}, ago(), soon()),
                insert(TOKENS, "redeemed", {"user": "alice"}, soon()),
                redeem(TOKENS, "redeemed", soon()),
                insert(TOKENS, "other", {"user": "bob", "grant_id": "alice"}),
                insert(CODES, "code", {"user": "alice"}),
            ]
        )
        assert store.delete_where(TOKENS, "user", "alice") == 3
        assert all(store.get_kept(TOKENS, key) is None for key in ("valid", "expired", "redeemed"))
        assert read(store, TOKENS, "other").value["user"] == "bob"
        assert read(store, CODES, "code").value == {"user": "alice"}
        assert store.delete_where(TOKENS, "user", "alice") == 0

    def test_removing_by_several_values_in_one_write(self, store: Store) -> None:
        """delete_where, write: all of them, and nothing else; the first may answer for those that differ in the value
        only.
        """
        people = [f"person {number}" for number in range(20)]
        store.write([insert(TOKENS, f"{user} {number}", {"user": user}) for user in people for number in range(3)])
        store.write([insert(CODES, user, {"user": user}) for user in people])
        leaving = [*people[:15], "nobody", "\ud800"]
        removed = store.write([delete_where(held, "user", user) for held in (CODES, TOKENS) for user in leaving])
        assert len(removed) == 2 * len(leaving)
        assert sum(count or 0 for count in removed[: len(leaving)]) == 15
        assert sum(count or 0 for count in removed[len(leaving) :]) == 45
        assert [document.key for document in store.page(CODES)] == sorted(people[15:])
        assert {document.value["user"] for document in store.page(TOKENS)} == set(people[15:])

    def test_removing_by_a_field_is_part_of_its_write(self, store: Store) -> None:
        """delete_where, write: what it removed is there again when another operation of the same write is refused."""
        store.write([insert(TOKENS, "a", {"user": "alice"}), insert(CODES, "b", {"user": "alice"})])
        removals = [delete_where(TOKENS, "user", "alice"), delete_where(CODES, "user", "alice")]
        with pytest.raises(NotFound):
            store.write([*removals, redeem(CODES, "unknown", soon())])
        assert read(store, TOKENS, "a").value == read(store, CODES, "b").value == {"user": "alice"}
        assert store.write(removals) == [1, 1]
        assert store.get_kept(TOKENS, "a") is store.get_kept(CODES, "b") is None

    def test_pages_walk_through_all_documents(self, store: Store) -> None:
        """page: valid documents in the order of their keys, those after the key `after`, at most `limit`."""
        names = sorted(["a", "B", "b", "10", "9", "é", "Ω", "🔑", "\uffff", "zz", "z"])
        store.write([insert(TOKENS, name, {"of": name}) for name in names])
        store.write([insert(TOKENS, "aa", {}, ago(), soon()), insert(CODES, "ab", {})])
        seen: list[str] = []
        while page := store.page(TOKENS, seen[-1] if seen else None, limit=4):
            assert len(page) <= 4
            assert all(document.value == {"of": document.key} for document in page)
            seen += [document.key for document in page]
        assert seen == names
        assert [document.key for document in store.page(TOKENS, "a-key-that-is-not-there", limit=1)] == ["b"]

    # Moving

    def test_pages_of_what_is_kept_walk_through_all_documents(self, store: Store) -> None:
        """page_kept: all that are kept, in the order of their keys, those after the key `after`, at most `limit`."""
        store.write(
            [
                insert(TOKENS, "valid", {"of": "valid"}, soon()),
                insert(TOKENS, "expired", {"of": "expired"}, ago(), soon()),
                insert(TOKENS, "redeemed", {"of": "redeemed"}, soon()),
                redeem(TOKENS, "redeemed", soon()),
                insert(TOKENS, "forever", {"of": "forever"}),
                insert(TOKENS, "forgotten", {"of": "forgotten"}, ago(120), ago(60)),
                insert(CODES, "other", {}),
            ]
        )
        seen: list[Document] = []
        while page := store.page_kept(TOKENS, seen[-1].key if seen else None, limit=3):
            assert len(page) <= 3
            seen += page
        assert [document.key for document in seen] == ["expired", "forever", "redeemed", "valid"]
        assert seen == [kept(store, TOKENS, document.key) for document in seen]
        assert all(document.value == {"of": document.key} for document in seen)

    def test_documents_are_moved_as_they_are(self, store: Store) -> None:
        """put: key, value, times and redemption are as given; what is put is found, redeemed and replaced as any."""
        moved = [
            Document("expired", {"user": "alice"}, 1, ago(), soon(), None),
            Document("forever", {"user": "alice", "n": [1, 1.5, None]}, 1, FOREVER, FOREVER, None),
            Document("redeemed", {"user": "alice"}, 7, soon(), soon(600), ago(30)),
            Document("valid", {"user": "alice", "é": "🦅"}, 2**62, soon(), soon(600), None),
        ]
        assert store.put(TOKENS, moved) == []
        assert list(map(unversioned, store.page_kept(TOKENS))) == list(map(unversioned, moved))
        assert keys(store.find(TOKENS, "user", "alice")) == ["forever", "valid"]
        with pytest.raises(AlreadyRedeemed) as caught:
            store.write([redeem(TOKENS, "redeemed", soon())])
        assert caught.value.document is not None
        assert caught.value.document.redeemed_at == moved[2].redeemed_at
        with pytest.raises(Expired):
            store.write([redeem(TOKENS, "expired", soon())])
        store.write([redeem(TOKENS, "valid", soon()), replace(TOKENS, read(store, TOKENS, "forever"), {"n": 2})])
        assert read(store, TOKENS, "forever").value == {"n": 2}
        assert store.delete_where(TOKENS, "user", "alice") == 3

    def test_a_counter_is_moved_as_it_is(self, store: Store) -> None:
        """put: a counter counts on."""
        until = float(int(soon()))
        store.put(COUNTERS, [Document("n", {"count": 5}, 1, until, until, None)])
        assert store.write([increment(COUNTERS, "n", 2, valid_until=soon(600))]) == [7]
        assert read(store, COUNTERS, "n").valid_until == until

    @pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
    def test_values_are_moved_as_they_were(self, store: Store, values: dict[str, Any]) -> None:
        """put: every JSON document, down to the type of a number."""
        store.put(TOKENS, [Document("k", values, 1, soon(), soon(), None)])
        found = read(store, TOKENS, "k").value
        assert repr(sorted(found.items())) == repr(sorted(values.items()))

    def test_what_is_put_twice_is_there_once(self, store: Store) -> None:
        """put: may be done again; what is there already is answered, and left alone."""
        first = [Document(key, {"user": key}, 1, soon(), soon(600), ago() if key == "b" else None) for key in "abc"]
        assert store.put(TOKENS, first) == []
        before = store.page_kept(TOKENS)
        again = [*first, Document("d", {"user": "d"}, 1, soon(), soon(), None)]
        assert sorted(store.put(TOKENS, again), key=lambda document: document.key) == before
        assert keys(store.page_kept(TOKENS)) == ["a", "b", "c", "d"]
        assert [kept(store, TOKENS, key) for key in "abc"] == before
        assert store.put(TOKENS, []) == []

    @pytest.mark.parametrize("state", ["valid", "expired", "redeemed"])
    def test_another_document_is_replaced_on_demand_only(self, store: Store, state: str) -> None:
        """put: a key that is taken is left alone, and answered; with `overwrite` it is replaced."""
        self._write_in_state(store, state)
        before = kept(store, TOKENS, "k")
        other = Document("k", {"user": "bob"}, 1, soon(), soon(), ago(10))
        assert store.put(TOKENS, [other]) == [before]
        assert kept(store, TOKENS, "k") == before
        assert store.put(TOKENS, [other], overwrite=True) == []
        assert unversioned(kept(store, TOKENS, "k")) == unversioned(other)
        assert kept(store, TOKENS, "k").version != before.version
        assert store.delete_where(TOKENS, "user", "alice") == 0
        assert store.delete_where(TOKENS, "user", "bob") == 1

    @pytest.mark.parametrize("state", ["forgotten", "spent and forgotten"])
    def test_what_is_past_its_keeping_is_not_in_the_way_of_a_move(self, store: Store, state: str) -> None:
        """put: only what is still kept has its key."""
        self._write_in_state(store, state)
        moved = Document("k", {"user": "bob"}, 1, soon(), soon(), None)
        assert store.put(TOKENS, [moved]) == []
        assert unversioned(read(store, TOKENS, "k")) == unversioned(moved)

    def test_a_bad_document_is_refused_before_any_is_put(self, store: Store) -> None:
        """put: BadDocument, and nothing is written."""
        good = Document("a", {}, 1, soon(), soon(), None)
        for bad in (changed(good, key="b\0"), changed(good, key="b", value={"a": "\ud800"})):
            with pytest.raises(BadDocument):
                store.put(TOKENS, [good, bad])
            assert store.page_kept(TOKENS) == []

    # Writing

    def test_a_write_answers_one_value_for_each_operation(self, store: Store) -> None:
        """write: the new count for `increment`, None for the others; nothing to do is no error."""
        store.write([insert(TOKENS, "a", {}), insert(TOKENS, "b", {})])
        operations: list[Operation] = [
            insert(TOKENS, "c", {}),
            increment(COUNTERS, "n", valid_until=soon()),
            ensure(TOKENS, "d", {}),
            replace(TOKENS, read(store, TOKENS, "a"), {"x": 1}),
            increment(COUNTERS, "m", 5, valid_until=soon()),
            delete(TOKENS, "b"),
            redeem(TOKENS, "a", soon()),
        ]
        assert store.write(operations) == [None, 1, None, None, 5, None, None]
        assert store.write([]) == []

    def test_operations_are_done_in_order(self, store: Store) -> None:
        """write: each operation finds what those before it did."""
        store.write(
            [
                insert(TOKENS, "k", {"n": 1}),
                delete(TOKENS, "k"),
                insert(TOKENS, "k", {"n": 2}),
                ensure(TOKENS, "k", {"n": 3}),
                redeem(TOKENS, "k", soon()),
            ]
        )
        assert kept(store, TOKENS, "k").value == {"n": 2}
        until = soon()
        assert store.write([increment(COUNTERS, "n", valid_until=until) for _ in range(3)]) == [1, 2, 3]

    def test_another_worker_sees_a_write_at_once(self, open_store: OpenStore) -> None:
        """write: done when it returns, for all."""
        one, other = open_store(), open_store()
        for n in range(20):
            one.write([insert(TOKENS, str(n), {"user": str(n)})])
            assert read(other, TOKENS, str(n)).value == {"user": str(n)}
            assert keys(other.find(TOKENS, "user", str(n))) == [str(n)]
            other.write([redeem(TOKENS, str(n), soon())])
            assert one.get(TOKENS, str(n)) is None

    def test_one_store_serves_many_threads(self, store: Store) -> None:
        """Store: safe for many threads."""

        def work(number: int) -> int:
            for n in range(5):
                key = f"{number}.{n}"
                store.write([insert(TOKENS, key, {"user": str(number)})])
                assert read(store, TOKENS, key).value == {"user": str(number)}
            return len(store.find(TOKENS, "user", str(number)))

        outcomes = together(THREADS, work)
        assert outcomes == [5] * THREADS

    @pytest.mark.parametrize("name", BAD_VALUES.keys())
    def test_a_bad_document_is_refused_before_anything_is_written(self, store: Store, name: str) -> None:
        """BadDocument: a document that no backend may take: too large, not JSON, with NUL or lone surrogates."""
        value = BAD_VALUES[name]
        store.write([insert(TOKENS, "old", {"user": "alice"})])
        old = read(store, TOKENS, "old")
        for operation in (insert(TOKENS, "bad", value), ensure(TOKENS, "bad", value), replace(TOKENS, old, value)):
            with pytest.raises(BadDocument):
                store.write([insert(TOKENS, "before", {}), operation])
            assert store.get_kept(TOKENS, "before") is None
            assert store.get_kept(TOKENS, "bad") is None
            assert read(store, TOKENS, "old") == old

    @pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS.keys())
    def test_a_bad_key_is_refused_before_anything_is_written(self, store: Store, key: str) -> None:
        """check_key: a key is not empty, and has no NUL or lone surrogate in it."""
        operations = (insert(TOKENS, key, {}), ensure(TOKENS, key, {}), increment(TOKENS, key, valid_until=soon()))
        for operation in operations:
            with pytest.raises(BadDocument):
                store.write([insert(TOKENS, "before", {}), operation])
        assert store.page(TOKENS) == []

    def test_a_document_may_be_large(self, store: Store) -> None:
        """MAXIMUM_DOCUMENT_SIZE: what is below it is taken."""
        value = {"user": "alice", "a": "x" * (MAXIMUM_DOCUMENT_SIZE - 1000), "b": _nested(MAXIMUM_DEPTH - 1)}
        store.write([insert(TOKENS, "k", value)])
        assert read(store, TOKENS, "k").value == value
        assert keys(store.find(TOKENS, "user", "alice")) == ["k"]

    @pytest.mark.parametrize("position", [0, 1, 2, 3])
    @pytest.mark.parametrize("refusal", ["AlreadyExists", "Conflict", "NotFound", "Expired", "AlreadyRedeemed"])
    def test_of_a_refused_write_nothing_remains(self, store: Store, refusal: str, position: int) -> None:
        """write: either all are done, or one raises and none remains, wherever it stands."""
        until, later = float(int(soon())), soon(600)
        store.write(
            [
                insert(TOKENS, "changed", {"user": "alice"}, until),
                insert(TOKENS, "removed", {"user": "alice"}, until),
                increment(COUNTERS, "old", 5, valid_until=until),
                insert(CODES, "taken", {}),
                insert(CODES, "expired", {"user": "bob"}, ago(), until),
                insert(CODES, "spent", {"user": "bob"}, until),
                redeem(CODES, "spent", until),
            ]
        )
        stale = read(store, CODES, "taken")
        store.write([replace(CODES, stale, {"new": True})])
        culprits: dict[str, Operation] = {
            "AlreadyExists": insert(CODES, "taken", {}),
            "Conflict": replace(CODES, stale, {}),
            "NotFound": redeem(CODES, "nobody", later),
            "Expired": redeem(CODES, "expired", later),
            "AlreadyRedeemed": redeem(CODES, "spent", later),
        }
        operations: list[Operation] = [
            insert(TOKENS, "new", {"user": "carol"}, until),
            replace(TOKENS, read(store, TOKENS, "changed"), {"user": "carol"}, later),
            delete(TOKENS, "removed"),
            increment(COUNTERS, "old", valid_until=until),
            increment(COUNTERS, "new", valid_until=until),
            insert(TOKENS, "newer", {"user": "carol"}, until),
        ]
        operations.insert(2 * position, culprits[refusal])
        with pytest.raises(WriteRefused) as caught:
            store.write(operations)
        assert type(caught.value).__name__ == refusal
        assert store.find(TOKENS, "user", "carol") == []
        assert keys(store.find(TOKENS, "user", "alice")) == ["changed", "removed"]
        assert {read(store, TOKENS, key).valid_until for key in ("changed", "removed")} == {until}
        assert kept(store, CODES, "taken").value == {"new": True}
        assert store.write(
            [increment(COUNTERS, "old", valid_until=until), increment(COUNTERS, "new", valid_until=until)]
        ) == [6, 1]

    # insert, ensure, replace, delete

    @pytest.mark.parametrize("state", ["valid", "expired", "redeemed"])
    def test_an_insert_refuses_a_key_that_is_taken(self, store: Store, state: str) -> None:
        """insert: AlreadyExists where the key is taken, by a document that is still valid or still kept."""
        self._write_in_state(store, state)
        before = kept(store, TOKENS, "k")
        with pytest.raises(AlreadyExists) as caught:
            store.write([insert(TOKENS, "k", {"user": "bob"}, soon())])
        assert (caught.value.collection, caught.value.key) == (TOKENS, "k")
        assert kept(store, TOKENS, "k") == before

    @pytest.mark.parametrize("operation", [insert, ensure])
    @pytest.mark.parametrize("state", ["forgotten", "spent and forgotten"])
    def test_what_is_past_its_keeping_is_not_in_the_way(
        self, store: Store, operation: Callable[..., Operation], state: str
    ) -> None:
        """insert, ensure: a document past `keep_until` is not in the way, whether or not it was swept."""
        self._write_in_state(store, state)
        store.write([operation(TOKENS, "k", {"user": "bob"}, soon())])
        document = read(store, TOKENS, "k")
        assert document.value == {"user": "bob"}
        assert document.redeemed_at is None
        assert store.find(TOKENS, "user", "alice") == []

    def test_of_many_inserts_of_a_key_one_succeeds(self, open_store: OpenStore) -> None:
        """insert: refuses a taken key, also where many try at once."""
        stores = [open_store() for _ in range(4)]
        for turn in range(ROUNDS):
            key = str(turn)

            def work(number: int, key: str = key) -> int:
                stores[number % 4].write([insert(TOKENS, key, {"by": number})])
                return number

            outcomes = together(THREADS, work)
            lost = refusals(outcomes)
            assert len(lost) == THREADS - 1
            assert all(isinstance(error, AlreadyExists) for error in lost)
            assert read(stores[0], TOKENS, key).value["by"] in outcomes

    @pytest.mark.parametrize("state", ["valid", "expired", "redeemed"])
    def test_ensure_leaves_what_is_there(self, store: Store, state: str) -> None:
        """ensure: writes a document unless the key is taken; then it leaves the one that is there."""
        self._write_in_state(store, state)
        before = kept(store, TOKENS, "k")
        store.write([ensure(TOKENS, "k", {"user": "bob"}, soon()), ensure(TOKENS, "new", {"user": "bob"})])
        assert kept(store, TOKENS, "k") == before
        assert read(store, TOKENS, "new").value == {"user": "bob"}

    def test_the_loser_of_a_rotation_leaves_the_successor(self, open_store: OpenStore) -> None:
        """ensure: writers that race derive the same key; the loser must not take away what the winner hands out."""
        stores = [open_store() for _ in range(4)]
        for turn in range(ROUNDS):
            old, new = f"old{turn}", f"new{turn}"
            stores[0].write([insert(TOKENS, old, {}, soon())])

            def rotate(number: int, old: str = old, new: str = new) -> None:
                stores[number % 4].write([ensure(TOKENS, new, {"user": "alice"}, soon()), redeem(TOKENS, old, soon())])

            outcomes = together(8, rotate)
            assert len(refusals(outcomes)) == 7
            assert read(stores[1], TOKENS, new).value == {"user": "alice"}
            with pytest.raises(AlreadyRedeemed):
                rotate(0)
            assert read(stores[1], TOKENS, new).value == {"user": "alice"}

    def test_an_ensured_document_goes_where_there_was_nothing_to_redeem(self, store: Store) -> None:
        """ensure: undone when the redemption finds NotFound or Expired, and what was there before stays."""
        store.write([insert(CODES, "expired", {}, ago(), soon()), insert(TOKENS, "old", {"user": "alice"})])
        for key, error in (("expired", Expired), ("nobody", NotFound)):
            with pytest.raises(error):
                store.write([ensure(TOKENS, "new", {}), ensure(TOKENS, "old", {}), redeem(CODES, key, soon())])
            assert store.get_kept(TOKENS, "new") is None
            assert read(store, TOKENS, "old").value == {"user": "alice"}

    def test_replace_changes_what_was_read(self, store: Store) -> None:
        """replace: changes a document; without times it keeps its own, with `valid_until` alone it is kept as long."""
        store.write([insert(TOKENS, "k", {"n": 0}, float(int(soon(60))), float(int(soon(90))))])
        first = read(store, TOKENS, "k")
        store.write([replace(TOKENS, first, {"n": 1})])
        second = read(store, TOKENS, "k")
        assert second.value == {"n": 1}
        assert (second.valid_until, second.keep_until) == (first.valid_until, first.keep_until)
        until = float(int(soon(300)))
        store.write([replace(TOKENS, second, {"n": 2}, until)])
        third = read(store, TOKENS, "k")
        assert (third.value, third.valid_until, third.keep_until) == ({"n": 2}, until, until)
        store.write([replace(TOKENS, third, {}, ago(), until)])
        assert store.get(TOKENS, "k") is None
        assert kept(store, TOKENS, "k").value == {}

    @pytest.mark.parametrize("since", ["changed", "redeemed", "removed", "made anew", "expired", "forgotten"])
    def test_replace_refuses_what_is_no_longer_as_it_was(self, store: Store, since: str) -> None:
        """replace: Conflict where the document was changed, redeemed or removed since, or has expired."""
        value = {"user": "alice"}

        def made(end: float, until: float) -> Document:
            store.write([delete(TOKENS, "k")])
            store.write([insert(TOKENS, "k", value, end, until)])
            return kept(store, TOKENS, "k")

        end = ago() if since == "expired" else soon()
        if since == "forgotten":
            end, document = before_its_end(lambda end: made(end, end))
        else:
            document = made(end, soon())
        meanwhile: dict[str, list[Operation]] = {
            "changed": [replace(TOKENS, document, value)],
            "redeemed": [redeem(TOKENS, "k", soon())],
            "removed": [delete(TOKENS, "k")],
            "made anew": [delete(TOKENS, "k"), insert(TOKENS, "k", value, end)],
        }
        store.write(meanwhile.get(since, []))
        if since == "forgotten":
            pass_by(end + 0.01)
        before = store.get_kept(TOKENS, "k")
        with pytest.raises(Conflict) as caught:
            store.write([replace(TOKENS, document, {"user": "bob"}, soon())])
        assert (caught.value.collection, caught.value.key) == (TOKENS, "k")
        assert store.get_kept(TOKENS, "k") == before

    def test_every_write_changes_the_version(self, store: Store) -> None:
        """Document: `version` changes with every write."""
        store.write([insert(TOKENS, "k", {"count": 0}, soon())])
        versions = [kept(store, TOKENS, "k").version]
        for make in (
            lambda: replace(TOKENS, kept(store, TOKENS, "k"), {"count": 0}),
            lambda: increment(TOKENS, "k", valid_until=soon()),
            lambda: redeem(TOKENS, "k", soon()),
        ):
            store.write([make()])
            versions.append(kept(store, TOKENS, "k").version)
        assert len(set(versions)) == 4

    def test_of_many_replacements_of_one_reading_one_succeeds(self, open_store: OpenStore) -> None:
        """replace: compare-and-swap, across threads and workers."""
        stores = [open_store() for _ in range(4)]
        stores[0].write([insert(TOKENS, "k", {"by": -1})])
        for _ in range(ROUNDS):
            document = read(stores[0], TOKENS, "k")

            def work(number: int, document: Document = document) -> int:
                stores[number % 4].write([replace(TOKENS, document, {"by": number})])
                return number

            outcomes = together(THREADS, work)
            lost = refusals(outcomes)
            assert len(lost) == THREADS - 1
            assert all(isinstance(error, Conflict) for error in lost)
            assert read(stores[0], TOKENS, "k").value["by"] in outcomes

    def test_delete_removes_whatever_is_there(self, store: Store) -> None:
        """delete: removes a document, kept ones too; one that is not there is no error."""
        for state in ("valid", "expired", "redeemed"):
            self._write_in_state(store, state)
            store.write([delete(TOKENS, "k")])
            assert store.get_kept(TOKENS, "k") is None
        store.write([delete(TOKENS, "k"), insert(TOKENS, "k", {"user": "bob"})])
        assert read(store, TOKENS, "k").value == {"user": "bob"}

    # redeem

    def test_a_document_is_redeemed_once(self, store: Store) -> None:
        """redeem: the second learns AlreadyRedeemed, with the document."""
        store.write([insert(CODES, "k", {"user": "alice"}, soon())])
        store.write([redeem(CODES, "k", soon())])
        first = kept(store, CODES, "k")
        for _ in range(2):
            with pytest.raises(AlreadyRedeemed) as caught:
                store.write([redeem(CODES, "k", soon(600))])
            assert (caught.value.collection, caught.value.key) == (CODES, "k")
            assert caught.value.document == first
            assert first.redeemed_at is not None
        assert kept(store, CODES, "k") == first

    def test_a_second_use_is_recognised_as_long_as_it_is_kept(self, store: Store) -> None:
        """redeem: kept until `keep_until`, or the document's own if later; AlreadyRedeemed goes before Expired."""
        until = float(int(soon(300)))

        def spend(end: float) -> None:
            store.write([delete(CODES, "k"), delete(CODES, "long")])
            longer = insert(CODES, "long", {}, end, float(int(soon(600))))
            store.write([insert(CODES, "k", {"user": "alice"}, end), longer])
            store.write([redeem(CODES, "k", until), redeem(CODES, "long", until)])

        end, _ = before_its_end(spend)
        assert kept(store, CODES, "k").keep_until == until
        assert kept(store, CODES, "long").keep_until > until
        pass_by(end)
        with pytest.raises(AlreadyRedeemed) as caught:
            store.write([redeem(CODES, "k", until)])
        assert caught.value.document is not None
        assert caught.value.document.value == {"user": "alice"}

    def test_what_is_expired_is_not_redeemed(self, store: Store) -> None:
        """redeem: Expired, with the document, which stays as it is."""
        store.write([insert(CODES, "k", {"user": "alice"}, ago(), soon())])
        before = kept(store, CODES, "k")
        with pytest.raises(Expired) as caught:
            store.write([redeem(CODES, "k", soon())])
        assert caught.value.document == before
        assert kept(store, CODES, "k") == before

    def test_what_is_not_there_is_not_redeemed(self, store: Store) -> None:
        """redeem: NotFound, also where the document is past its keeping, or in another collection."""
        store.write([insert(CODES, "gone", {}, ago(), ago()), insert(TOKENS, "token", {})])
        for key in ("nobody", "gone", "token"):
            with pytest.raises(NotFound) as caught:
                store.write([redeem(CODES, key, soon())])
            assert (caught.value.key, caught.value.document) == (key, None)

    def test_of_many_redeemers_one_succeeds(self, open_store: OpenStore) -> None:
        """redeem: exactly one writer ever succeeds, across threads and workers; nothing of the others remains."""
        stores = [open_store() for _ in range(4)]
        for turn in range(2 * ROUNDS):
            code = f"code{turn}"
            stores[0].write([insert(CODES, code, {"user": "alice"}, soon())])

            def work(number: int, code: str = code) -> int:
                token = insert(TOKENS, f"{code}.{number}", {"grant_id": code})
                stores[number % 4].write([token, redeem(CODES, code, soon())])
                return number

            outcomes = together(THREADS, work)
            lost = refusals(outcomes)
            assert len(lost) == THREADS - 1
            for error in lost:
                assert isinstance(error, AlreadyRedeemed)
                assert error.document is not None
                assert error.document.value == {"user": "alice"}
            winner = next(outcome for outcome in outcomes if isinstance(outcome, int))
            assert keys(stores[3].find(TOKENS, "grant_id", code)) == [f"{code}.{winner}"]

    # increment

    def test_a_counter_counts(self, store: Store) -> None:
        """increment: adds and answers the new value; the document is `{"count": n}`; each key has its own."""
        until = float(int(soon()))
        assert store.write([increment(COUNTERS, "n", valid_until=until)]) == [1]
        assert store.write([increment(COUNTERS, "n", 10, valid_until=soon(600))]) == [11]
        assert store.write([increment(COUNTERS, "n", -1, valid_until=soon(600))]) == [10]
        assert store.write([increment(COUNTERS, "m", 2, valid_until=until)]) == [2]
        document = read(store, COUNTERS, "n")
        assert document.value == {"count": 10}
        assert document.valid_until == until

    def test_an_expired_counter_starts_again(self, store: Store) -> None:
        """increment: the first one sets when it expires; an expired counter starts again from zero."""
        store.write([increment(COUNTERS, "n", 7, valid_until=ago())])
        assert store.get(COUNTERS, "n") is None
        until = time.time() + 0.3
        assert store.write([increment(COUNTERS, "n", 2, valid_until=until)]) == [2]
        pass_by(until + 0.01)
        assert store.get(COUNTERS, "n") is None
        assert store.write([increment(COUNTERS, "n", valid_until=soon())]) == [1]
        assert read(store, COUNTERS, "n").value == {"count": 1}

    def test_no_count_is_lost(self, open_store: OpenStore) -> None:
        """increment: atomic, from the first one on and across workers: every caller gets a value of its own."""
        stores = [open_store() for _ in range(4)]
        until = soon()

        def work(number: int) -> list[int | None]:
            return [stores[number % 4].write([increment(COUNTERS, "n", valid_until=until)])[0] for _ in range(ROUNDS)]

        outcomes = together(THREADS, work)
        assert refusals(outcomes) == []
        counts = [count for outcome in outcomes if isinstance(outcome, list) for count in outcome]
        assert sorted(count or 0 for count in counts) == list(range(1, THREADS * ROUNDS + 1))

    # claim, sweep

    def test_a_lease_has_one_holder(self, open_store: OpenStore) -> None:
        """claim: True for exactly one holder at a time; the holder may renew; each name has its own."""
        one, other = open_store(), open_store()
        assert one.claim("delivery", "one", soon())
        assert not other.claim("delivery", "other", soon())
        assert one.claim("delivery", "one", soon(600))
        assert not other.claim("delivery", "other", soon())
        assert other.claim("rotation", "other", soon())

    def test_a_lease_is_free_after_its_time(self, store: Store) -> None:
        """claim: free again after `until`; who renews it with a time that is over gives it back."""
        end = time.time() + 0.1
        assert store.claim("delivery", "one", end)
        pass_by(end + 0.01)
        assert store.claim("delivery", "other", soon())
        assert not store.claim("delivery", "one", soon())
        assert store.claim("delivery", "other", ago())
        assert store.claim("delivery", "one", soon())

    def test_of_many_claims_one_succeeds(self, open_store: OpenStore) -> None:
        """claim: exactly one holder, also where many claim at once."""
        stores = [open_store() for _ in range(4)]
        for turn in range(ROUNDS):

            def work(number: int, turn: int = turn) -> bool:
                return stores[number % 4].claim(f"work{turn}", f"holder{number}", soon())

            outcomes = together(THREADS, work)
            assert refusals(outcomes) == []
            assert sum(outcome is True for outcome in outcomes) == 1

    def test_who_can_write_has_nothing_to_say(self, store: Store) -> None:
        """check_writable: raises nothing while writes succeed, those that were refused included."""
        store.check_writable()
        store.write([insert(TOKENS, "k", {})])
        with pytest.raises(AlreadyExists):
            store.write([insert(TOKENS, "k", {})])
        store.check_writable()

    def test_a_sweep_removes_what_is_no_longer_kept(self, store: Store) -> None:
        """sweep: removes documents past `keep_until` and nothing else."""
        store.write(
            [
                insert(TOKENS, "gone", {}, ago(120), ago(60)),
                insert(CODES, "gone", {}, ago(120), ago(60)),
                increment(COUNTERS, "gone", valid_until=ago()),
                insert(TOKENS, "kept", {}, ago(), soon()),
                insert(TOKENS, "valid", {}, soon()),
                insert(TOKENS, "spent", {}, soon()),
                redeem(TOKENS, "spent", soon()),
            ]
        )
        swept = store.sweep()
        assert swept == 3 or (self.sweeps_itself and swept < 3)
        assert store.sweep() == 0
        assert all(store.get_kept(TOKENS, key) is not None for key in ("kept", "valid", "spent"))

    def test_a_sweep_is_bounded(self, store: Store) -> None:
        """sweep: at most `limit` of each collection, and answers how many."""
        store.write([insert(TOKENS, str(n), {}, ago()) for n in range(10)])
        store.write([insert(CODES, str(n), {}, ago()) for n in range(2)])
        swept = [store.sweep(limit=4) for _ in range(4)]
        assert swept == [6, 4, 2, 0] or (self.sweeps_itself and sum(swept) < 12 and max(swept) <= 8)

    def _write_in_state(self, store: Store, state: str) -> None:
        """A document `k` of alice in one of the states that a document can be in."""
        times = {
            "valid": (soon(), soon()),
            "expired": (ago(), soon()),
            "redeemed": (soon(), soon()),
            "forgotten": (ago(120), ago(60)),
        }
        if state == "spent and forgotten":
            end, _ = before_its_end(lambda end: self._write_spent(store, end))
            pass_by(end + 0.01)
            return
        valid_until, keep_until = times[state]
        store.write([insert(TOKENS, "k", {"user": "alice"}, valid_until, keep_until)])
        if state == "redeemed":
            store.write([redeem(TOKENS, "k", keep_until)])

    @staticmethod
    def _write_spent(store: Store, end: float) -> None:
        store.write([delete(TOKENS, "k")])
        store.write([insert(TOKENS, "k", {"user": "alice"}, end, end)])
        store.write([redeem(TOKENS, "k", end)])
