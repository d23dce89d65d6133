"""What the contract itself does: names, keys, and the documents that every backend must be able to keep."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from creance.provider.store import (
    FOREVER,
    MAXIMUM_DEPTH,
    MAXIMUM_DOCUMENT_SIZE,
    AlreadyRedeemed,
    BadDocument,
    Collection,
    Document,
    StoreError,
    check_key,
    deadline,
    encode,
    ensure,
    insert,
    make_store,
    replace,
    time_left,
)
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
ANY_TEXT = st.text(st.characters(codec=None))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=30)


@given(st.dictionaries(TEXT, JSON))
def test_a_document_of_json_is_kept_exactly(value: dict[str, Any]) -> None:
    """encode: what is JSON, and no deeper or larger than allowed, comes back as it was, and is UTF-8."""
    text = encode(value)
    assert json.loads(text) == value
    assert json.loads(text.encode("utf-8")) == value
    assert "\0" not in text


@given(st.dictionaries(ANY_TEXT, ANY_TEXT | st.lists(ANY_TEXT) | st.dictionaries(ANY_TEXT, ANY_TEXT)))
def test_a_document_with_text_that_is_not_unicode_is_refused(value: dict[str, Any]) -> None:
    """encode: BadDocument exactly where NUL or a lone surrogate is anywhere in it."""
    flat = "".join(_texts(value))
    bad = "\0" in flat or any("\ud800" <= character <= "\udfff" for character in flat)
    try:
        text = encode(value)
    except BadDocument:
        assert bad
    else:
        assert not bad
        assert json.loads(text) == value


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *_texts(item))]
    return [value] if isinstance(value, str) else list(value)


@pytest.mark.parametrize(
    "value",
    [
        {"a": math.nan},
        {"a": -math.inf},
        {"a": b"x"},
        {"a": {1, 2}},
        {"a": object()},
        {"a": Path("x")},
        {("a", "b"): 1},
        {"a": 10**5000},
        {"a": "x" * MAXIMUM_DOCUMENT_SIZE},
    ],
    ids=["nan", "infinity", "bytes", "set", "object", "path", "tuple as name", "too many digits", "too large"],
)
def test_what_is_not_a_small_json_document_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(BadDocument) as caught:
        encode(value)
    assert len(str(caught.value)) < 100
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, StoreError)


def test_a_document_that_holds_itself_is_refused() -> None:
    value: dict[str, Any] = {}
    value["a"] = value
    with pytest.raises(BadDocument):
        encode(value)


def test_the_size_is_counted_in_bytes() -> None:
    frame = len(encode({"a": ""}))
    assert encode({"a": "é" * ((MAXIMUM_DOCUMENT_SIZE - frame) // 2)})
    with pytest.raises(BadDocument, match=f"{MAXIMUM_DOCUMENT_SIZE} is the most"):
        encode({"a": "é" * ((MAXIMUM_DOCUMENT_SIZE - frame) // 2 + 1)})


@pytest.mark.parametrize("depth", [MAXIMUM_DEPTH + 1, 200, 900, 5000])
def test_the_depth_is_limited(depth: int) -> None:
    assert encode(_nested(MAXIMUM_DEPTH, list))
    assert encode(_nested(MAXIMUM_DEPTH, dict))
    assert encode({"a": [[]] * 1000})
    for kind in (list, dict):
        with pytest.raises(BadDocument):
            encode(_nested(depth, kind))


def _nested(depth: int, kind: type) -> dict[str, Any]:
    value = kind()
    for _ in range(depth - 2):
        value = {"a": value} if kind is dict else [value]
    return {"a": value}


def test_brackets_in_a_text_are_no_depth() -> None:
    assert json.loads(encode({"a": "[" * 1000})) == {"a": "[" * 1000}


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert json.loads(encode({"a": "\\u0000"})) == {"a": "\\u0000"}
    with pytest.raises(BadDocument):
        encode({"a": "\\u0000", "b": "\0"})


@given(ANY_TEXT)
def test_a_key_is_unicode_without_nul(key: str) -> None:
    good = bool(key) and "\0" not in key and not any("\ud800" <= character <= "\udfff" for character in key)
    if good:
        assert check_key(key) == key
    else:
        with pytest.raises(BadDocument):
            check_key(key)


@pytest.mark.parametrize("name", ["tokens", "refresh_tokens", "a", "a1", "a_"])
def test_names_of_collections_and_fields(name: str) -> None:
    assert Collection(name, indexes=(name,)).indexes == (name,)


@pytest.mark.parametrize(
    "name", ["", "_a", "1a", "Tokens", "a b", "a-b", "a.b", "a$", "é", "²", "a\0", 'a"', "a'", "a\n"]
)
def test_no_other_names(name: str) -> None:
    """A backend may put a name into its own language as it is."""
    with pytest.raises(ValueError, match="a-z, 0-9 and _"):
        Collection(name)
    with pytest.raises(ValueError, match="a-z, 0-9 and _"):
        Collection("good", indexes=("good", name))


def test_the_times_of_a_document() -> None:
    """insert, ensure, replace: what is not said about keeping is as long as it is valid."""
    tokens = Collection("tokens")
    document = Document("k", {}, 1, 100.0, 200.0, None)
    for make in (insert, ensure):
        assert (make(tokens, "k", {}).valid_until, make(tokens, "k", {}).keep_until) == (FOREVER, FOREVER)
        assert make(tokens, "k", {}, 5.0).keep_until == 5.0
        assert make(tokens, "k", {}, 5.0, 9.0).keep_until == 9.0
    kept = replace(tokens, document, {})
    assert (kept.valid_until, kept.keep_until) == (100.0, 200.0)
    assert replace(tokens, document, {}, keep_until=300.0).valid_until == 100.0
    assert replace(tokens, document, {}, 150.0).keep_until == 150.0


def test_a_refusal_shows_neither_key_nor_document() -> None:
    """Messages reach logs: they name the kind and the collection only."""
    document = Document("the-key", {"secret": "the-value"}, 1, 1.0, 1.0, None)
    error = AlreadyRedeemed(Collection("codes"), "the-key", document)
    assert str(error) == "AlreadyRedeemed in codes"


def test_the_store_of_a_uri_is_found_by_its_scheme(tmp_path: Path) -> None:
    store = make_store("sqlite:var/x.db", folder=tmp_path, timeout=1)
    assert str(tmp_path) in store.describe()
    with pytest.raises(ValueError, match=r"no store for 'postgres': installed are .*sqlite"):
        make_store("postgres://host/x", folder=tmp_path, timeout=1)


def install_store(folder: Path, distribution: str, scheme: str, entry: str) -> None:
    """As pip does it, but for the code."""
    information = folder / f"{distribution}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[creance.stores]\n{scheme} = {entry}\n")


def test_a_store_that_cannot_be_loaded_harms_only_those_who_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """store_class: no other backend is loaded."""
    install_store(tmp_path / "site", "stranger", "stranger", "no_such_module:Store")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert make_store("sqlite:var/x.db", folder=tmp_path, timeout=1)
    with pytest.raises(ValueError, match=r"'stranger' cannot be loaded: ModuleNotFoundError: .*no_such_module"):
        make_store("stranger:x", folder=tmp_path, timeout=1)


def test_two_stores_of_one_scheme_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """store_class: which of them would keep the data must not hang on the order of folders."""
    install_store(tmp_path / "site", "stranger", "sqlite", "stranger:Store")
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(ValueError, match=r"several stores for 'sqlite' .*SQLiteStore, stranger:Store"):
        make_store("sqlite:var/x.db", folder=tmp_path, timeout=1)


def test_the_calls_of_a_request_share_one_deadline() -> None:
    """deadline, time_left: what one call took, the next has no more; without a request each call has its own."""
    assert time_left(2.5) == 2.5
    with deadline(0.05):
        assert time_left(2.5) <= 0.05
        assert time_left(0.01) <= 0.01
        time.sleep(0.06)
        assert time_left(2.5) == 0.0
    assert time_left(2.5) == 2.5
