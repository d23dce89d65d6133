"""The users as pyop's hosts and providers know them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyop.userinfo import Userinfo

from .users import Users


class UserClaims(Userinfo):
    """The users as what pyop calls `userinfo`: claims by local user name."""

    def __init__(self, users: Users) -> None:
        super().__init__(db={})
        self._users = users

    def __getitem__(self, username: str) -> Mapping[str, Any]:
        user = self._users.find(username)
        if user is None:
            raise KeyError(username)
        return {**user.claims, "sub": user.subject}

    def __contains__(self, username: object) -> bool:
        return isinstance(username, str) and self._users.find(username) is not None

    def get_claims_for(
        self, user_id: str, requested_claims: Mapping[str, Any], userinfo: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        claims = userinfo if userinfo else self[user_id]
        return {name: claims[name] for name in requested_claims if name in claims}
