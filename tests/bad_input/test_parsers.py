"""Every parser of what comes from outside, with whatever there may be: what it takes is right, what it does not take is
refused by the error that it names, and nothing secret is in that.

Those of headers, forms, scopes, sealed requests and redirect URIs of requests are in test_fuzz.py and tests/provider.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from itertools import takewhile
from pathlib import Path
from typing import Any

import click
import falcon.testing
import pytest
from creance.provider import (
    ConfigurationError,
    Grant,
    InvalidRequest,
    OAuthError,
    Parameters,
    create_app,
    read_settings,
)
from creance.provider.commands.assignment import assignments
from creance.provider.endpoints.reading import Reader, UnsupportedMediaType
from creance.provider.networks import read_address
from creance.provider.registration import ClientSettings
from creance.provider.settings import HTTPSettings
from creance.provider.store.sqlite_file import path_of
from creance.provider.testing.running import demo_configuration
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from ..strange_values import ANY_TEXT, JSON, examples

# ----- The configuration ---------------------------------------------------------------------------------------------

DEMONSTRATION = demo_configuration("http://localhost:8400", "127.0.0.1:8400")
SECRETS = ["app-secret", "app-post-secret", "service-secret", "wonderland", "builder"]
LINES = DEMONSTRATION.splitlines()


def read_or_refuse(file: Path, text: bytes, environment: dict[str, str] | None = None, *secrets: str) -> Any:
    """The settings, or None where they are refused: by lines that say where, and repeat no secret."""
    file.write_bytes(text)
    try:
        return read_settings(file, environment or {})
    except ConfigurationError as error:
        mistakes = error.mistakes
    assert mistakes
    assert all(":" in mistake for mistake in mistakes)
    assert not [secret for secret in (*SECRETS, *secrets) if secret in "\n".join(mistakes)]
    return None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "creance.toml"


@examples(300)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(DEMONSTRATION)), st.integers(0, 30), st.binary(max_size=6)), min_size=1, max_size=3
    )
)
def test_a_file_of_almost_the_right_bytes_is_read_or_refused(file: Path, changes: list[tuple[int, int, bytes]]) -> None:
    """DESIGN, Configuration: one clear line for each mistake."""
    raw = DEMONSTRATION.encode()
    for place, length, put in changes:
        raw = raw[:place] + put + raw[place + length :]
    read_or_refuse(file, raw)


@examples(300)
@given(
    line=st.sampled_from([number for number, line in enumerate(LINES) if re.match(r"[a-z_]+ = ", line)]),
    value=JSON.map(lambda value: json.dumps(value, ensure_ascii=False))
    | st.sampled_from(["2020-01-01", "nan", "-1", "''"]),
)
def test_a_setting_of_another_value_is_read_or_refused(file: Path, line: int, value: str) -> None:
    """DESIGN, Configuration: typed. What is read is what was written."""
    name = LINES[line].partition(" = ")[0]
    text = "\n".join([*LINES[:line], f"{name} = {value}", *LINES[line + 1 :]])
    try:
        tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        assert read_or_refuse(file, text.encode("utf-8", "surrogatepass")) is None
        return
    read_or_refuse(file, text.encode("utf-8", "surrogatepass"))


@examples(200)
@given(raw=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
@example(raw=b"a = " + b"[" * 100_000)
@example(raw=b"a = {b = " * 5000)
@example(raw=b"issuer = " + b"9" * 5000)
def test_a_file_of_any_bytes_is_refused(file: Path, raw: bytes) -> None:
    """DESIGN, Configuration: there is no issuer in it."""
    assert read_or_refuse(file, raw) is None


NAMES = [
    *("ISSUER", "HTTP__BIND", "HTTP__THREADS", "STORE__URI", "STORE__TIMEOUT", "KEYS__ALGORITHMS", "KEYS__SECRET_FILE"),
    *(
        "SUBJECTS__SALT",
        "LIFETIMES__ACCESS_TOKEN",
        "EXTRA_SCOPES__X",
        "ENDPOINTS__TOKEN",
        "CLIENTS",
        "USERS",
        "PLUGINS",
    ),
    *(
        "PLUGINS__SESSIONS__IDLE_TIMEOUT",
        "PLUGINS__X__ENABLED",
        "PLUGINS__INTROSPECTION__ENABLED",
        "LOG",
        "HTTP",
        "STORE",
    ),
]


@examples(300)
@given(
    name=st.sampled_from(NAMES) | st.text(st.sampled_from("ABCXYZ_09"), max_size=20),
    value=st.text(max_size=30) | JSON.map(json.dumps) | st.sampled_from(["[" * 50_000, '{"a":' * 20_000, "9" * 5000]),
)
def test_a_variable_of_any_value_is_taken_or_refused(file: Path, name: str, value: str) -> None:
    """DESIGN, Configuration: environment variables override."""
    settings = read_or_refuse(file, DEMONSTRATION.encode(), {f"CREANCE_{name}": value})
    if settings is not None and name in ("ISSUER", "HTTP__BIND"):
        assert value in (settings.issuer, settings.http.bind)


@examples(200)
@given(
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=40),
    name=st.sampled_from(NAMES),
)
def test_a_secret_that_is_in_the_wrong_place_is_not_repeated(file: Path, secret: str, name: str) -> None:
    """DESIGN, Configuration: it may be in the variable beside the right one."""
    if name not in ("STORE__URI", "SUBJECTS__SALT", "CLIENTS", "USERS"):
        return
    read_or_refuse(file, DEMONSTRATION.encode(), {f"CREANCE_{name}": secret}, secret)


@examples(300)
@given(
    uri=ANY_TEXT
    | ANY_TEXT.map(lambda text: f"sqlite:{text}")
    | st.sampled_from(["sqlite:", "sqlite://h/x", "SQLITE:x"])
)
def test_a_uri_of_sqlite_names_a_file_or_is_refused(uri: str) -> None:
    """DESIGN, Configuration: `sqlite:var/x.db` relative, `sqlite:/abs/x.db` absolute."""
    try:
        path = path_of(uri, Path("/folder"))
    except ValueError:
        return
    assert path.is_absolute()
    scheme, _, named = uri.partition(":")
    assert scheme.lower() == "sqlite"
    assert path == Path("/folder", os.path.normpath(named)) or ".." in named


# ----- Clients -------------------------------------------------------------------------------------------------------

URIS = (
    ANY_TEXT
    | st.sampled_from(
        ["javascript:alert(1)", "data:text/html,x", "//x/y", "https:x", "HTTPS://X/", "https://a b/", "urn:x"]
    )
    | st.tuples(st.sampled_from(["https://", "http://", "com.example.app:/", "x:"]), ANY_TEXT).map("".join)
    | st.from_regex(r"https?://[a-z0-9.:@\[\]-]{0,12}(/[!-~]{0,10})?\Z")
)


KEPT = r"(?i)(https?://[^/?@#]+|[a-z][a-z0-9+-]*\.[a-z0-9.+-]*:)[^#\s\\<>\"]*"


@examples(1000)
@given(uri=URIS)
def test_a_redirect_uri_that_is_registered_is_one_that_a_browser_can_be_sent_to(uri: str) -> None:
    """RFC 6749 3.1.2, RFC 9700 4.1.3, RFC 8252 7.1: kept as it is written, or refused."""
    try:
        client = ClientSettings(client_id="a", redirect_uris=[uri], token_endpoint_auth_method="none")
    except ValidationError:
        return
    assert client.redirect_uris == [uri]
    assert re.fullmatch(KEPT, uri), uri
    assert not uri.lower().startswith(("javascript:", "data:", "file:", "about:"))


@examples(300)
@given(given_=st.lists(ANY_TEXT | ANY_TEXT.map(lambda text: f"name={text}"), max_size=3))
@example(given_=["x=" + "[" * 100_000])
@example(given_=["x=" + "9" * 5000])
def test_an_assignment_is_a_name_and_what_json_says(given_: list[str]) -> None:
    """`creance clients add --set NAME=VALUE`."""
    try:
        values = assignments(None, None, tuple(given_))  # type: ignore[arg-type]
    except click.BadParameter:
        assert any("=" not in each or each.startswith("=") for each in given_)
        return
    assert set(values) == {each.partition("=")[0] for each in given_}
    assert all(isinstance(value, str | bool | dict | list) for value in values.values())


# ----- Requests ------------------------------------------------------------------------------------------------------


def reader(**changes: Any) -> Reader:
    return Reader(HTTPSettings(**changes), ())


def request(**options: Any) -> falcon.Request:
    return falcon.Request(falcon.testing.create_environ(**options))


ADDRESS = st.ip_addresses().map(str) | st.sampled_from(
    ["", "unknown", "1.2.3.4:5", "[::1]", "_x", "127.0.0.1", "10.0.0.9"]
)


@examples(400)
@given(forwarded=st.lists(ADDRESS | st.text(st.characters(max_codepoint=255), max_size=12), max_size=5), peer=ADDRESS)
def test_an_address_is_believed_as_far_as_the_proxies_are_ours(forwarded: list[str], peer: str) -> None:
    """Issue 3: from the right, the first that is no trusted proxy's; held against another way to say the same rule."""
    header = ",".join(forwarded)
    environ = falcon.testing.create_environ(remote_addr=peer)
    environ |= {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": header}
    told = reader(trusted_proxies=["10.0.0.0/8", "127.0.0.1/32"]).remote_address(falcon.Request(environ))
    ours = re.compile(r"10(\.\d{1,3}){3}|127\.0\.0\.1")
    hops = [peer, *(part.strip() for part in reversed(header.split(",")) if part.strip())]
    known = [str(address) for address in takewhile(lambda address: address is not None, map(read_address, hops))]
    expected = next((address for address in known if not ours.fullmatch(address)), known[-1] if known else peer)
    assert told == expected


TOKENS = st.sampled_from(
    [
        *(
            "application/x-www-form-urlencoded",
            "APPLICATION/X-WWW-FORM-URLENCODED",
            "application/json",
            "text/plain",
            "",
            " ",
        ),
        *(
            "charset=utf-8",
            'charset="UTF-8"',
            "charset=latin-1",
            "charset=",
            "charset",
            "x=y",
            "boundary=x",
            "\u00ff",
            ";;",
        ),
    ]
)


@examples(400)
@given(parts=st.lists(TOKENS, min_size=1, max_size=4), spaces=st.booleans())
def test_a_media_type_is_a_form_or_refused(parts: list[str], spaces: bool) -> None:
    """RFC 9110 8.3.1: parsed or refused, and never read as something else; never a character set that is not UTF-8."""
    header = ("; " if spaces else ";").join(parts)
    asked = request(method="POST", headers={"Content-Type": header}, body="a=b")
    try:
        assert reader().form(asked) == {"a": "b"}
    except UnsupportedMediaType:
        assert parts[0].strip().lower() != "application/x-www-form-urlencoded" or len(parts) > 1
    else:
        assert parts[0].lower() == "application/x-www-form-urlencoded"
        assert "latin-1" not in header


@examples(400)
@given(raw=st.binary(max_size=60) | st.text(max_size=40).map(str.encode), decoded=st.booleans())
def test_a_query_is_read_or_refused(raw: bytes, decoded: bool) -> None:
    """RFC 6749 B: also one that the server did not decode as PEP 3333 says."""
    query = raw.decode("utf-8", "replace") if decoded else raw.decode("latin-1")
    environ = falcon.testing.create_environ()
    environ["QUERY_STRING"] = query
    try:
        parameters = reader().query(falcon.Request(environ))
    except InvalidRequest:
        return
    for name, value in parameters.items():
        (name + value).encode()  # Unicode, with no half of a character


@examples(400)
@given(path=st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=20) | ANY_TEXT)
@example(path="/introspect")
@example(path="//token")
@example(path="token/")
def test_only_the_paths_of_endpoints_lead_anywhere(app_and_paths: Any, path: str) -> None:
    """RFC 9110 15.5.5: what is not there is 404, in JSON, and nothing of it comes back."""
    app, paths = app_and_paths
    environ = falcon.testing.create_environ()
    environ["PATH_INFO"] = f"/{path}".encode("utf-8", "surrogatepass").decode("latin-1")
    began: list[Any] = []
    body = b"".join(app(environ, lambda status, headers, error=None: began.append(status)))
    if environ["PATH_INFO"] not in paths:
        assert began == ["404 Not Found"]
        assert json.loads(body) == {"error": "invalid_request", "error_description": "there is nothing at this address"}


@pytest.fixture(scope="module")
def shared_provider(make_shared_provider: Any) -> Any:
    return make_shared_provider(plugins={"sessions": {}}, log={"requests": False})


@pytest.fixture(scope="module")
def app_and_paths(shared_provider: Any) -> tuple[Any, set[str]]:
    return create_app(shared_provider), {endpoint.path for endpoint in shared_provider.endpoints}


GOOD = {
    "client_id": "app",
    "redirect_uri": "http://localhost:8401/callback",
    "response_type": "code",
    "scope": "openid",
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "S256",
}
NESTED = st.sampled_from(["[" * 8000, '{"userinfo":' * 1000, "9" * 5000, "-" + "9" * 5000, '{"a":1e999}', '{"a":NaN}'])


@examples(400)
@given(
    name=st.sampled_from(
        ["claims", "max_age", "prompt", "id_token_hint", "code_challenge", "scope", "request", "nonce"]
    ),
    value=ANY_TEXT | JSON.map(json.dumps) | NESTED | st.integers().map(str),
)
def test_a_parameter_of_an_authorization_request_is_understood_or_refused(
    shared_provider: Any, name: str, value: str
) -> None:
    """RFC 6749 4.1.2.1: by an error that the app is told, in the characters that it may have."""
    client = shared_provider.clients.find("app")
    try:
        request = shared_provider.authorization.read(
            Parameters({**GOOD, name: value}), client, GOOD["redirect_uri"], 1e9
        )
    except OAuthError as error:
        refusal = error
    else:
        asked_at = request.authenticated_after
        assert name != "max_age" or not value or (asked_at is not None and asked_at <= 1e9)
        return
    assert refusal.status == 400
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]{1,300}", refusal.description)


@pytest.fixture(scope="module")
def id_token(shared_provider: Any) -> str:
    return str(
        shared_provider.keyring.sign(
            "ES256", {"iss": shared_provider.settings.issuer, "sub": "x", "aud": "app", "exp": 1}
        )
    )


@examples(400)
@given(place=st.integers(0, 400), length=st.integers(0, 5), put=st.text("AZaz09-_.=%", max_size=4))
def test_a_hint_that_was_changed_is_no_hint(
    shared_provider: Any, id_token: str, place: int, length: int, put: str
) -> None:
    """OpenID Connect Core 3.1.2.1: an ID token of ours, or refused; nothing of it is repeated."""
    place %= len(id_token)
    changed = id_token[:place] + put + id_token[place + length :]
    client = shared_provider.clients.find("app")
    parameters = Parameters({**GOOD, "id_token_hint": changed})
    try:
        request = shared_provider.authorization.read(parameters, client, GOOD["redirect_uri"], 1e9)
    except InvalidRequest as error:
        told = str(error) + (error.hint or "")
    else:
        assert changed == id_token
        assert request.hinted_subject == "x"
        return
    assert not changed or changed not in told


@examples(300)
@given(value=ANY_TEXT, hint=st.none() | ANY_TEXT)
def test_what_was_never_issued_is_no_token(shared_provider: Any, value: str, hint: str | None) -> None:
    """RFC 7662 2.2, RFC 7009 2.2: whatever it is."""
    tokens = shared_provider.tokens
    assert tokens.find(value, hint, spent=True) is None
    assert tokens.read_code(value) is None
    never_written = tokens.new_refresh_token(Grant("app", "s", ())).token
    assert tokens.read_unused_successor(value, never_written) is None
