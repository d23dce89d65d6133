"""What has just happened, in words. A notice travels by its name, so that nobody can put words into our mouth."""

from __future__ import annotations

from creance.provider import translatable

SESSION_ENDED = "session-ended"
OTHERS_ENDED = "other-sessions-ended"
APP_REVOKED = "app-revoked"
PASSWORD_CHANGED = "password-changed"

_WORDS = {
    SESSION_ENDED: translatable("That session has ended."),
    OTHERS_ENDED: translatable("All your other sessions have ended. You are logged in here only."),
    APP_REVOKED: translatable("That app has no access any more."),
    PASSWORD_CHANGED: translatable("Your password is changed, and all your other sessions have ended."),
}


def words_of(notice: str) -> str | None:
    """The text of a notice; None for any other name."""
    return _WORDS.get(notice)
