"""Where the account of a person is kept, and thus whether its password can be changed here."""

from __future__ import annotations

from typing import Literal

from creance.provider import Users
from creance.provider.users import UserRegistry

WhereKept = Literal["here", "configuration", "elsewhere"]
"""In our store, in the configuration file, or in a directory that somebody else keeps."""


def where_kept(users: Users, username: str) -> WhereKept:
    """Only what is kept `here` can be changed here."""
    if isinstance(users, UserRegistry):
        if users.is_configured(username):
            return "configuration"
        if users.is_stored(username):
            return "here"
    return "elsewhere"
