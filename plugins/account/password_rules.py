"""What a new password must be (NIST SP 800-63B-4, 3.1.1.2): long enough, and none that is tried first.

No composition rules, and no expiry: both make people choose what is easier to guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from creance.provider import User, translatable
from creance.provider.registration import LONGEST_PASSWORD

TOO_SHORT = translatable("The new password is too short.")
TOO_LONG = translatable("The new password is too long.")
COMMON = translatable("Many people have this password, so it is tried first. Choose another one.")
PERSONAL = translatable("The new password is too close to your name or to the name of this site. Choose another one.")

_NOT_A_LETTER = re.compile(r"[\W\d_]+")
_FEW = 4
"""Different characters: no more than these are repetition, however long it is."""
_SEQUENCES = (
    "0123456789" * 10,
    "abcdefghijklmnopqrstuvwxyz" * 2,
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
)


def why_unfit(password: str, user: User, *, site: str, minimum_length: int) -> str | None:
    """What is wrong with a new password, as a text for the catalogues; None where it will do."""
    if len(password) < minimum_length:
        return TOO_SHORT
    if len(password) > LONGEST_PASSWORD:
        return TOO_LONG
    if is_common(password):
        return COMMON
    if _is_made_of(password, [user.username, site, *_names_in(user)]):
        return PERSONAL
    return None


def is_common(password: str) -> bool:
    """Whether it is among those that are tried first: as it is, with digits and signs around it, or twice."""
    plain = password.casefold()
    if len(set(plain)) <= _FEW or _is_sequence(plain):
        return True
    return any(each in _common_passwords() for each in (plain, _once(plain), _once(_letters(plain))))


@cache
def _common_passwords() -> frozenset[str]:
    text = (files("creance.plugins.account") / "common_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


def _names_in(user: User) -> Iterable[str]:
    """The claims by which others know the person: an e-mail address whole, and what is before the @."""
    for claim in ("email", "preferred_username", "name", "given_name", "family_name", "nickname"):
        value = user.claims.get(claim)
        if isinstance(value, str):
            yield value
            yield value.partition("@")[0]


def _is_made_of(password: str, names: Iterable[str]) -> bool:
    """Whether nothing but a name is left of it without digits and signs, or of the whole."""
    plain = password.casefold()
    candidates = {plain, _once(_letters(plain))} - {""}
    return any(name.casefold() in candidates or _letters(name.casefold()) in candidates for name in names)


def _letters(text: str) -> str:
    return _NOT_A_LETTER.sub("", text)


def _once(text: str) -> str:
    """What is repeated, where the whole is nothing but repetition."""
    period = (text + text).find(text, 1) if text else 0
    return text[:period]


def _is_sequence(text: str) -> bool:
    """Whether it is a piece of the digits, the alphabet or a keyboard, forwards or backwards."""
    return any(text in sequence or text[::-1] in sequence for sequence in _SEQUENCES)
