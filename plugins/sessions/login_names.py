"""Whom a name means that somebody typed to log in: a user name, or an e-mail address."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from creance.provider import Users

LoginName = Literal["username", "email"]

_NOBODY = "\0"
"""In front of what was typed it makes a user name that nobody can have. Its password is checked all the same, which
takes the same time, and its attempts are counted as those of any name.
"""


def username_meant(users: Users, typed: str, login_with: Collection[LoginName]) -> str:
    """The user name whose password is to be checked; a name that nobody has where that is nobody.

    A user name wins over an address: who has somebody else's user name as their address, in whatever case, is not meant
    by it, and so cannot be logged in by it. An address that several users have means none of them. Whether it is
    verified makes no difference: it is the password that proves who it is.
    """
    named = users.find(typed)
    addressed = users.find_by_email(typed) if "email" in login_with and "@" in typed else None
    if named is not None and "username" in login_with:
        return named.username
    if addressed is not None:
        others = {user.username for user in (named, users.find(typed.lower())) if user is not None}
        if others <= {addressed.username}:
            return addressed.username
    return typed if named is None else _NOBODY + typed  # a source of users may know what was typed
