"""Persistence: what is lost, what is half done, and which servers pyop cannot reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pymongo
import pytest
from bson.errors import InvalidDocument
from creance.provider import InvalidGrant, OpenIDProvider
from creance.provider.store import make_store
from jwkest.jwk import RSAKey
from pymongo.errors import DocumentTooLarge, InvalidURI
from pyop import storage
from pyop.exceptions import InvalidAuthenticationRequest, InvalidAuthorizationCode, InvalidSubjectIdentifier
from pyop.provider import Provider
from pyop.storage import MongoWrapper, StorageBase

from ..pyop_provider import Client, plain_provider

Adopt = Callable[..., OpenIDProvider]
COLLECTIONS = {
    "authorization_code_db": "authz_codes",
    "access_token_db": "access_tokens",
    "refresh_token_db": "refresh_tokens",
    "subject_identifier_db": "subject_identifiers",
}


@pytest.fixture(autouse=True)
def _close_pyops_clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """pyop closes none of them, and keeps those of URIs that it fails over out of reach."""
    made: list[Any] = []

    class Noted(pymongo.MongoClient[dict[str, Any]]):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            made.append(self)

    monkeypatch.setattr(storage.pymongo, "MongoClient", Noted)
    yield
    for client in made:
        client.close()


@pytest.fixture
def on_mongodb(signing_key: RSAKey, mongodb_uri: str) -> Provider:
    """A pyop provider on MongoDB, by the only kind of URI that it understands with pymongo 4."""
    place = mongodb_uri.partition("?")[0]
    if "@" in place:
        pytest.skip("pyop cannot log in at a server with pymongo 4")
    wrappers = {
        name: MongoWrapper(f"{place}?directConnection=true", None, collection)
        for name, collection in COLLECTIONS.items()
    }
    return plain_provider(signing_key, **wrappers)


def test_what_a_refresh_changes_is_kept(on_mongodb: Provider) -> None:
    """Persistence: pyop notes the new access token in a copy of the document, which is then forgotten."""
    app = Client(on_mongodb)
    tokens = app.log_in()
    for _ in range(2):
        assert app.refresh(tokens["refresh_token"])["access_token"] != tokens["access_token"]
    kept = on_mongodb.authz_state.refresh_tokens[tokens["refresh_token"]]
    assert kept["access_token"] == tokens["access_token"]


def test_a_refresh_outlives_the_first_access_token(on_mongodb: Provider, adopt: Adopt) -> None:
    """Persistence; RFC 6749 6: once that is deleted, by the TTL index, pyop raises KeyError for ever."""
    app = Client(on_mongodb)
    lost, moved = app.log_in(), app.log_in()
    app.refresh(lost["refresh_token"])
    del on_mongodb.authz_state.access_tokens[lost["access_token"]]
    with pytest.raises(KeyError):
        app.refresh(lost["refresh_token"])

    ours = adopt(on_mongodb)
    with pytest.raises(InvalidGrant):  # for whom it was is not known any more
        app.refresh(lost["refresh_token"], ours)
    for tokens in (app.refresh(moved["refresh_token"], ours), Client(ours).log_in()):
        del on_mongodb.authz_state.access_tokens[moved["access_token"]]
        again = app.refresh(tokens["refresh_token"], ours)
        for _ in range(3):
            again = app.refresh(again["refresh_token"], ours)
        assert app.userinfo(again["access_token"], ours)["email"] == "alice@example.org"


PYMONGO_4 = [
    ("mongodb://me:secret@host/idp", TypeError, "'Collection' object is not callable"),
    ("mongodb://me:secret@host/idp?authSource=admin", TypeError, "'Collection' object is not callable"),
    ("mongodb://host/idp?replicaSet=rs0", AttributeError, "MongoReplicaSetClient"),
    ("mongodb://me:p%40ss@host/idp", InvalidURI, "must be escaped"),
    ("mongodb+srv://cluster.example.org/idp", ValueError, "Invalid DB URI"),
]


@pytest.mark.parametrize(("uri", "error", "words"), PYMONGO_4)
def test_a_uri_of_mongodb_is_understood(uri: str, error: type[Exception], words: str, tmp_path: Path) -> None:
    """Persistence: with pymongo 4, which all supported releases of Python and MongoDB need."""
    with pytest.raises(error, match=words):
        StorageBase.from_uri(uri, "authz_codes")
    make_store(uri, folder=tmp_path, timeout=1).close()


def test_what_cannot_be_signed_costs_nobody_a_code(plain: Provider, ours: OpenIDProvider) -> None:
    """Persistence; DESIGN, The order of a token request: sign first, spend last."""
    cannot_be_json = {"department": object()}
    for provider, is_lost in ((plain, True), (ours, False)):
        app = Client(provider)
        code = app.authorize()
        handle = provider.handle_token_request

        def failing(body: str, headers: Any, handle: Any = handle) -> Any:
            return handle(body, headers, cannot_be_json)

        provider.handle_token_request = failing
        with pytest.raises(Exception) as failed:
            app.exchange(code)
        assert not isinstance(failed.value, InvalidAuthorizationCode)
        del provider.handle_token_request

        if is_lost:
            assert len(plain.authz_state.access_tokens) == 1  # nobody will ever hold it
            with pytest.raises(InvalidAuthorizationCode):
                app.exchange(code)
        else:
            assert app.userinfo(app.exchange(code)["access_token"])


def test_nul_in_a_name_is_refused_before_anybody_logs_in(on_mongodb: Provider, adopt: Adopt) -> None:
    """Persistence: BSON has no such names; pyop notices when the person has logged in."""
    app = Client(on_mongodb)
    request = f"{app.request()}&{urlencode({'a' + chr(0) + 'b': '1'})}"
    parsed = on_mongodb.parse_authentication_request(request)
    with pytest.raises(InvalidDocument):
        on_mongodb.authorize(parsed, "alice")
    with pytest.raises(InvalidAuthenticationRequest):
        adopt(on_mongodb).parse_authentication_request(request)


def test_a_state_has_its_length(on_mongodb: Provider, adopt: Adopt) -> None:
    """Persistence: 17 MB of it are more than a document of MongoDB can hold; ours is 2 KB."""
    request = Client(on_mongodb).request(state="s" * 17_000_000)
    parsed = on_mongodb.parse_authentication_request(request)
    with pytest.raises(DocumentTooLarge):
        on_mongodb.authorize(parsed, "alice")
    ours = adopt(on_mongodb)
    for length in (17_000_000, 2049):
        with pytest.raises(InvalidAuthenticationRequest):
            ours.parse_authentication_request(Client(ours).request(state="s" * length))
    assert ours.parse_authentication_request(Client(ours).request(state="s" * 2000))


def test_a_person_stays_known_by_each_subject_identifier(plain: Provider, adopt: Adopt) -> None:
    """OpenID Connect Core 8. Found beside the list: when pyop first makes the public one of a person it forgets their
    pairwise ones, and so what was issued for them.
    """
    ours = adopt(plain_provider(plain.signing_key))
    for provider, forgets in ((plain, True), (ours, False)):
        app = Client(provider)
        token = app.log_in()["access_token"]
        Client(provider, "public-subject").log_in()
        if forgets:
            with pytest.raises(InvalidSubjectIdentifier):
                app.userinfo(token)
        else:
            assert app.userinfo(token)["sub"]


def test_documents_are_found_where_pyop_keeps_them(on_mongodb: Provider, adopt: Adopt, mongodb_uri: str) -> None:
    """Persistence, Stored shape today: `{lookup_key, data, last_modified}`, read in place."""
    app = Client(on_mongodb)
    code, tokens = app.authorize(), app.log_in()
    row = on_mongodb.authz_state.access_tokens._coll.find_one({"lookup_key": tokens["access_token"]})
    assert set(row) == {"_id", "lookup_key", "data", "last_modified"}

    ours = adopt(on_mongodb)
    assert app.exchange(code, ours)["access_token"]
    assert app.userinfo(tokens["access_token"], ours) == app.userinfo(tokens["access_token"])
