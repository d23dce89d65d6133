"""Queries and forms: parsed strictly, and nothing that is sent does more harm than an InvalidRequest."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from creance.provider.errors import InvalidRequest
from creance.provider.parameters import Parameters, parse_parameters, shown
from hypothesis import example, given
from hypothesis import strategies as st

ANY_TEXT = st.text(st.characters(exclude_categories=()))
NAMES = st.sampled_from(["a", "client_id", "state", "resource", "", "%00", "é"])


def parse(encoded: bytes | str, limit: int = 100) -> Parameters:
    return parse_parameters(encoded, limit=limit)


def test_a_form_is_read() -> None:
    """RFC 6749 B: application/x-www-form-urlencoded, UTF-8."""
    parameters = parse(b"grant_type=client_credentials&scope=a+b&x=%C3%A9&y=%2B%26%3D")
    assert parameters == {"grant_type": "client_credentials", "scope": "a b", "x": "é", "y": "+&="}
    parameters.refuse_problems()


def test_bytes_that_are_utf_8_without_an_escape_are_read() -> None:
    """RFC 6749 B."""
    assert parse("x=é".encode()) == {"x": "é"}


@pytest.mark.parametrize("encoded", [b"a=", b"a", b"a=&b=", b"", b"&&"])
def test_a_parameter_without_a_value_counts_as_not_sent(encoded: bytes) -> None:
    """RFC 6749 3.1, 3.2."""
    parameters = parse(encoded)
    assert parameters == {}
    parameters.refuse_problems()


@pytest.mark.parametrize("encoded", [b"a=1&a=2", b"a=1&a=1", b"a=&a=1", b"a=1&a=", b"a&a", b"a=1&b=2&%61=3"])
def test_a_repeated_parameter_is_a_problem_and_has_no_value(encoded: bytes) -> None:
    """RFC 6749 3.1, 3.2: parameters must not be there more than once; PYOP: the last one won silently."""
    parameters = parse(encoded)
    assert "a" not in parameters
    with pytest.raises(InvalidRequest, match="a is there more than once"):
        parameters.refuse_problems()


def test_a_parameter_that_a_plugin_owns_may_be_repeated() -> None:
    """RFC 8707 2: `resource`; DESIGN, Plugins."""
    parameters = parse_parameters(b"resource=x&resource=y&a=1&resource=", limit=10, repeatable={"resource"})
    assert parameters == {"a": "1"}
    assert parameters.multiple == {"resource": ("x", "y")}
    parameters.refuse_problems()


@pytest.mark.parametrize("encoded", [b"a=%00", b"a=x%00y", b"a=\0", b"a=1&a=%00", b"a=%00&a=1"])
def test_nul_is_a_problem(encoded: bytes) -> None:
    """Issue 3, bad input: NUL; PYOP: it broke the store."""
    parameters = parse(encoded)
    assert "a" in parameters.problems
    assert "a" not in parameters
    with pytest.raises(InvalidRequest):
        parameters.refuse_problems()


def test_nul_in_a_name_is_a_problem() -> None:
    """PYOP, Persistence: NUL in a parameter name."""
    with pytest.raises(InvalidRequest, match="a parameter holds a NUL character"):
        parse(b"a%00b=1").refuse_problems()


@pytest.mark.parametrize(
    "encoded",
    [b"a=\xff", b"a=%FF", b"%FF=a", b"\xc3=a", b"a=%C3", b"a=%ED%A0%80", b"a=\xed\xa0\x80", "a=\ud800", "é=%FF"],
)
def test_what_is_not_utf_8_is_refused(encoded: bytes | str) -> None:
    """RFC 6749 B; half a surrogate pair is not UTF-8 either (RFC 3629 3)."""
    with pytest.raises(InvalidRequest, match="the parameters are not UTF-8"):
        parse(encoded)


@pytest.mark.parametrize(("count", "accepted"), [(9, True), (10, True), (11, False), (100_000, False)])
def test_there_are_only_so_many(count: int, accepted: bool) -> None:
    """Issue 3, bad input: too many parameters; counted before anything is decoded."""
    encoded = urlencode([(f"p{number}", "x") for number in range(count)]).encode()
    if accepted:
        assert len(parse(encoded, limit=10)) == count
    else:
        with pytest.raises(InvalidRequest, match="more than 10 parameters"):
            parse(encoded, limit=10)


def test_a_percent_sign_that_escapes_nothing_is_itself() -> None:
    """RFC 3986 2.4: decoded once, and only once."""
    assert parse(b"a=%zz&b=%2541&c=100%") == {"a": "%zz", "b": "%41", "c": "100%"}


def test_semicolons_separate_nothing() -> None:
    """WHATWG URL, urlencoded parsing: `&` alone; two readings of one query would be a way around a check."""
    assert parse(b"a=1;b=2") == {"a": "1;b=2"}


def test_a_parameter_that_must_be_there() -> None:
    """RFC 6749 5.2."""
    with pytest.raises(InvalidRequest, match="code is missing"):
        parse(b"code=").required("code")
    assert parse(b"code=x").required("code") == "x"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("state", "state"),
        ("a" * 100, "a" * 40),
        ("", "a parameter"),
        ("é", "a parameter"),
        ("a\nb", "a parameter"),
        ("\0", "a parameter"),
        ("\ud800", "a parameter"),
        ("eyJhbGciOiJub25lIn0.e30", "a parameter"),
    ],
)
def test_a_name_is_shown_only_as_far_as_it_is_harmless(name: str, text: str) -> None:
    """RFC 6749 5.2: error_description has printable ASCII only; names come from the client too."""
    assert shown(name) == text


@given(st.binary(max_size=300))
@example(b"%" * 50)
@example(b"=" * 50)
@example(b"&" * 200)
def test_bytes_of_any_kind_are_parsed_or_refused(encoded: bytes) -> None:
    """Issue 3, bad input: the right error, never a 500."""
    try:
        parameters = parse(encoded)
        parameters.refuse_problems()
    except InvalidRequest as error:
        description = error.description
    else:
        assert all(value and "\0" not in name + value for name, value in parameters.items())
        "".join([*parameters, *parameters.values()]).encode("utf-8")
        description = ""
    assert description.isascii()
    assert description.isprintable()


@given(ANY_TEXT)
def test_text_of_any_kind_is_parsed_or_refused(encoded: str) -> None:
    """Issue 3, bad input; a host of pyop passes text."""
    try:
        parameters = parse(encoded)
    except InvalidRequest:
        return
    "".join([*parameters, *parameters.values(), *parameters.problems]).encode("utf-8")


@given(st.lists(st.tuples(NAMES, st.text(max_size=5)), max_size=12))
def test_each_name_has_its_one_value_or_a_problem(pairs: list[tuple[str, str]]) -> None:
    """RFC 6749 3.1, 3.2: whatever the order, a repeated parameter never has a value."""
    parameters = parse_parameters(urlencode(pairs), limit=100, repeatable={"resource"})
    for name in {name for name, _ in pairs}:
        values = [value for other, value in pairs if other == name]
        clean = not any("\0" in text for text in (name, *values))
        if name == "resource":
            assert not clean or parameters.multiple.get(name, ()) == tuple(value for value in values if value)
        elif len(values) > 1 or not clean:
            assert name in parameters.problems
            assert name not in parameters
        else:
            assert name not in parameters.problems
            assert parameters.get(name, "") == values[0]
