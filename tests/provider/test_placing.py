"""Where the configuration places what."""

from __future__ import annotations

from pathlib import Path

import pytest
from creance.provider.errors import ConfigurationError
from creance.provider.keyring import SIGNING_KEYS
from creance.provider.placing import make_stores
from creance.provider.settings import Settings
from creance.provider.store import Collection
from creance.provider.store.placement import PlacedStore
from creance.provider.tokens import ACCESS_TOKENS, AUTHORIZATION_CODES

SESSIONS = Collection("sessions")
COLLECTIONS = [SIGNING_KEYS, ACCESS_TOKENS, AUTHORIZATION_CODES, SESSIONS]


def settings(folder: Path, uri: str, **placement: str) -> Settings:
    return settings_of(folder, uri=uri, placement=placement)


def settings_of(folder: Path, **store: object) -> Settings:
    made = Settings.model_validate({"issuer": "http://localhost:8400", "store": store})
    made._folder = folder
    return made


def test_without_placement_there_is_one_store(tmp_path: Path) -> None:
    store = make_stores(settings(tmp_path, "sqlite:x.db"), COLLECTIONS)
    assert not isinstance(store, PlacedStore)
    assert store.place_of(SIGNING_KEYS).on_this_machine


def test_groups_live_where_they_are_placed(tmp_path: Path) -> None:
    """Two groups at one URI share one store."""
    elsewhere = "mongodb://alice:secret@localhost/creance"
    store = make_stores(settings(tmp_path, "sqlite:x.db", sessions=elsewhere, keys=elsewhere), COLLECTIONS)
    assert isinstance(store, PlacedStore)
    assert store.place_of(SESSIONS) is store.place_of(SIGNING_KEYS)
    assert store.place_of(ACCESS_TOKENS) is store.place_of(AUTHORIZATION_CODES)
    assert store.place_of(ACCESS_TOKENS) is not store.place_of(SESSIONS)
    assert not store.place_of(SIGNING_KEYS).on_this_machine
    assert store.place_of(ACCESS_TOKENS).on_this_machine
    assert "secret" not in store.describe()


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_stores(settings(tmp_path, "nosql:x", sesions="sqlite:y.db", tokens="sqlite:"), COLLECTIONS)
    uri, group, tokens = caught.value.mistakes
    assert uri.startswith("store.uri: no store for 'nosql'")
    assert group.startswith("store.placement.sesions: no such group")
    assert "did you mean 'sessions'?" in group
    assert tokens.startswith("store.placement.tokens: ")


def test_uris_are_read_from_files(tmp_path: Path) -> None:
    """DESIGN, Configuration: secrets from files. The first line counts, and one URI is one store wherever it is."""
    uri = "mongodb://creance:p%40ss@localhost/creance"
    (tmp_path / "uri").write_text(f"{uri}\n\nmongodb://old.example.org/\n")
    store = make_stores(settings_of(tmp_path, uri_file="uri", placement={"keys": "sqlite:keys.db"}), COLLECTIONS)
    assert store.place_of(ACCESS_TOKENS).describe().endswith("creance at localhost")
    assert store.place_of(SIGNING_KEYS).on_this_machine
    placed = settings_of(tmp_path, uri="sqlite:x.db", placement={"keys": uri}, placement_files={"sessions": "uri"})
    store = make_stores(placed, COLLECTIONS)
    assert store.place_of(ACCESS_TOKENS).on_this_machine
    assert not store.place_of(SESSIONS).on_this_machine
    assert store.place_of(SESSIONS) is store.place_of(SIGNING_KEYS)


def test_a_file_that_cannot_be_used_is_told_by_its_setting(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "wrong").write_text("nosql:secret\n")
    wrong = settings_of(
        tmp_path, uri_file="none", placement_files={"keys": "empty", "tokens": "wrong", "sesions": "none"}
    )
    with pytest.raises(ConfigurationError) as caught:
        make_stores(wrong, COLLECTIONS)
    none, empty, scheme, group = caught.value.mistakes
    assert none == f"store.uri_file: {tmp_path}/none cannot be read: No such file or directory"
    assert empty == f"store.placement_files.keys: {tmp_path}/empty is empty"
    assert scheme.startswith("store.placement_files.tokens: no store for 'nosql'")
    assert group.startswith("store.placement_files.sesions: no such group")
    assert "secret" not in str(caught.value)
