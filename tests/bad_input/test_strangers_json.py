"""What a stranger's document, or a host, may answer: read, or refused by name, and never a defect."""

from __future__ import annotations

import json
import time
from typing import Any

from creance.plugins.registration.client_keys import check_key_set
from creance.provider import HostLogin, InvalidClientMetadata, ServerError
from creance.provider.host_login import CLOCK_TOLERANCE, read_host_login
from creance.provider.signers import PRIVATE_MEMBERS
from hypothesis import example, given
from hypothesis import strategies as st

from ..strange_values import JSON, examples

KEY = st.dictionaries(st.sampled_from(["kty", "n", "e", "crv", "x", "y", "kid", *PRIVATE_MEMBERS]), JSON, max_size=5)
ANYTHING = JSON | st.binary(max_size=5) | st.sets(st.integers(), max_size=2)
SECRET = "7c1f0e55"


@examples(200)
@given(JSON | st.fixed_dictionaries({"keys": st.lists(KEY, max_size=3) | JSON}))
@example({"keys": [{"kty": "RSA"}]})
@example({"keys": [{"kty": "RSA", "d": SECRET}]})
def test_a_key_set_is_of_public_keys_or_refused(value: Any) -> None:
    """RFC 7517 5, RFC 7591 2: and what is private is not repeated."""
    try:
        check_key_set("jwks", value)
    except InvalidClientMetadata as error:
        told = str(error) + error.hint
    else:
        assert all(isinstance(key["kty"], str) for key in value["keys"])
        assert not any(PRIVATE_MEMBERS.intersection(key) for key in value["keys"])
        return
    assert told.startswith("jwks: ")
    assert SECRET not in told


@examples(200)
@given(
    username=ANYTHING, auth_time=ANYTHING, amr=ANYTHING, acr=ANYTHING, session=ANYTHING, claims=ANYTHING
)  # whatever its types say: a host is Python too
@example(username="alice", auth_time=1e12, amr=(), acr=None, session=None, claims=None)
@example(username="alice", auth_time=0, amr=("pwd",), acr="1", session="s", claims={"email": SECRET})
def test_a_host_s_login_is_whole_or_refused(**answered: Any) -> None:
    """OpenID Connect Core 3.1.2.1: no login that is to come; what the host said is not repeated."""
    try:
        login = read_host_login(HostLogin(**answered))
    except ServerError as error:
        told = str(error) + error.hint
    else:
        assert login is not None
        assert isinstance(login.username, str)
        assert login.auth_time is None or login.auth_time <= time.time() + CLOCK_TOLERANCE
        json.dumps(login.claims)
        return
    assert SECRET not in told
