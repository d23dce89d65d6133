"""The claims parameter, parsed and held against what a person has: OpenID Connect Core 5.2, 5.5."""

from __future__ import annotations

import json
from typing import Any

import pytest
from creance.provider import InvalidRequest
from creance.provider.claims_request import ClaimRequest, ClaimsRequest, read_claims_request, requested_claims
from hypothesis import given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id_token", "userinfo", "sub", "value"]), inner),
)


def test_each_form_of_a_claim() -> None:
    """OpenID Connect Core 5.5.1: null, essential, value, values; other members MUST be ignored."""
    text = json.dumps(
        {
            "userinfo": {"email": None, "name": {"essential": True}, "picture": {"unknown": [1]}},
            "id_token": {"acr": {"values": ["gold", "silver"]}, "sub": {"value": "248289761001"}},
            "elsewhere": 7,
        }
    )
    asked = read_claims_request(text)
    assert asked.userinfo == {
        "email": ClaimRequest(),
        "name": ClaimRequest(essential=True),
        "picture": ClaimRequest(),
    }
    assert asked.id_token["acr"].values == ("gold", "silver")
    assert asked.subject == "248289761001"
    assert asked.allows_subject("248289761001")
    assert not asked.allows_subject("another")
    assert asked.names == {"email", "name", "picture"}


@pytest.mark.parametrize("text", [None, "{}", '{"userinfo": null}', '{"id_token": {}, "_comment": "x"}'])
def test_nothing_asked(text: str | None) -> None:
    """OpenID Connect Core 5.5."""
    assert read_claims_request(text) == ClaimsRequest()
    assert read_claims_request(text).to_dict() == {}


@pytest.mark.parametrize(
    "text",
    [
        *("garbage", "[]", "null", "1", '"x"', "{", "[" * 16000, "9" * 5000, '{"a": NaN}'),
        *('{"userinfo": 1}', '{"id_token": []}', '{"userinfo": {"email": 1}}', '{"userinfo": {"email": []}}'),
        *('{"userinfo": {"email": {"essential": "yes"}}}', '{"userinfo": {"email": {"values": "x"}}}'),
        *('{"id_token": {"sub": {"value": "\\u0000"}}}', '{"id_token": {"sub": {"value": "\\ud800"}}}'),
        '{"id_token": ' + '{"a":' * 60 + "1" + "}" * 60 + "}",
    ],
)
def test_garbage_is_invalid_request(text: str) -> None:
    """OpenID Connect Core 5.5; a grant keeps of it, so nothing may be in it that no store can take."""
    with pytest.raises(InvalidRequest):
        read_claims_request(text)


@given(JSON)
def test_whatever_json_it_is_it_is_read_or_refused(value: Any) -> None:
    """OpenID Connect Core 5.5: never another exception, and what is read can be kept."""
    try:
        asked = read_claims_request(json.dumps(value))
    except InvalidRequest:
        return
    json.dumps(asked.to_dict(), allow_nan=False)


def test_what_is_the_protocols_is_never_kept_for_release() -> None:
    """OpenID Connect Core 2: auth_time, acr, sub and the like are the provider's own, however they are asked for."""
    asked = read_claims_request('{"id_token": {"sub": {"value": "x"}, "acr": null, "aud#de": null, "email": null}}')
    assert asked.to_dict() == {"id_token": {"email": []}}


def test_only_what_is_allowed_stays() -> None:
    """OpenID Connect Core 5.5: and with it what is the protocol's."""
    asked = read_claims_request('{"id_token": {"acr": null, "email": null, "name": null}}')
    assert set(asked.only({"name"}.__contains__).id_token) == {"acr", "name"}


CLAIMS = {"email": "a@example.org", "name": "Alice", "name#de": "Alizia", "groups": ["staff"]}


@pytest.mark.parametrize(
    ("kept", "given"),
    [
        ({"email": []}, {"email": "a@example.org"}),
        ({"email": ["a@example.org", "b@example.org"]}, {"email": "a@example.org"}),
        ({"email": ["b@example.org"]}, {}),
        ({"groups": [["staff"]]}, {"groups": ["staff"]}),
        ({"name#de": []}, {"name#de": "Alizia"}),
        ({"name#fr": []}, {}),
        ({"phone_number": []}, {}),
        ({"website": []}, {}),
    ],
)
def test_a_claim_is_given_with_a_value_that_is_wanted(kept: dict[str, list[Any]], given: dict[str, Any]) -> None:
    """OpenID Connect Core 5.2 (language tags), 5.5.1 (value, values)."""
    assert requested_claims(kept, {**CLAIMS, "website": "x"}, {"email", "name", "groups", "phone_number"}) == given
