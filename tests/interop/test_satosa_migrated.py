"""A SATOSA deployment on MongoDB whose codes and tokens were all moved before ours was started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from authlib.integrations.base_client.errors import OAuthError
from click.testing import CliRunner
from creance.provider.commands import creance
from pymongo import MongoClient

from .satosa_apps import SCOPE, redeem, seen_before
from .satosa_deployment import OURS, PLAIN, Deployment

SALT = "the salt of this deployment"


def test_what_the_plain_frontend_has_issued_is_moved_at_once(tmp_path: Path, mongodb_uri: str) -> None:
    """Issue 7; RFC 6749 4.1.2, RFC 6750: by `db_uri`, the clients' file and `sub_hash_salt`; nothing is left to be read
    in SATOSA's collections but people's claims, which are in one with the codes and stay.
    """
    deployment = Deployment(tmp_path)
    with deployment.serving(PLAIN, databases=mongodb_uri) as plain:
        before = seen_before(plain)
    (tmp_path / "salt").write_text(f"{SALT}\n")

    def migrate(*step: str) -> str:
        options = ["--clients", str(tmp_path / "clients.json"), "--salt-file", str(tmp_path / "salt")]
        result = CliRunner().invoke(creance, ["migrate", "pyop", mongodb_uri, *options, *step])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "authorization codes  4      0              1          2 used already, 1 people's claims" in migrate(
        "--apply"
    )
    assert "2 refresh tokens removed" in migrate("--finish", "--yes")
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        database = client.get_default_database()
        assert [database[name].count_documents({}) for name in ("access_tokens", "refresh_tokens")] == [0, 0]
        assert database["authz_codes"].find_one({"lookup_key": "alice"})["data"]["email"] == "alice@example.org"

    tolerant = {"plugins": {"pkce": {"insecure_optional": True}}, "settings": {"grants": {"refresh_token_grace": 0}}}
    with deployment.serving(OURS, databases=mongodb_uri, creance=tolerant) as site:
        metadata = site.metadata()
        code = redeem(site, site.app(scope=SCOPE), before.answer, before.verifier)
        assert code.claims["sub"] == before.logins["app"].claims["sub"]
        for client_id, login in before.logins.items():
            app = site.app(client_id, token=dict(login.tokens))
            assert app.get(metadata["userinfo_endpoint"]).json() == login.userinfo
            refreshed = app.refresh_token(metadata["token_endpoint"], refresh_token=login.tokens["refresh_token"])
            assert refreshed["refresh_token"] != login.tokens["refresh_token"]
        with pytest.raises(OAuthError):
            redeem(site, site.app(), before.answer, before.verifier)
