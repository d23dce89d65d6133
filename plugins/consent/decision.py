"""What a person is asked about one request, and what they decided, as it travels sealed with the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from creance.provider import Authenticated, User
from creance.provider.consents import Permissions

_QUESTION = "consent_asked"
_DECISION = "consent"


@dataclass(frozen=True, slots=True)
class Question:
    """Whom the page asks, and for what."""

    subject: str
    session_id: str | None
    username: str
    asked: Permissions

    @classmethod
    def to(cls, user: User, authenticated: Authenticated, asked: Permissions) -> Self:
        return cls(user.subject, authenticated.session_id, user.username, asked)

    def is_for(self, user: User, authenticated: Authenticated) -> bool:
        """Whether this person is asked, in this session of theirs."""
        return self.subject == user.subject and self.session_id == authenticated.session_id

    def to_dict(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "session_id": self.session_id,
            "username": self.username,
            "asked": self.asked.to_dict(),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        asked = Permissions.from_dict(value["asked"])
        return cls(value["subject"], value["session_id"], value["username"], asked)


@dataclass(frozen=True, slots=True)
class Decision:
    """What of it they allowed; None where they denied all."""

    question: Question
    allowed: Permissions | None


Decisions = Mapping[str, Any]
"""What was decided on the way, by the name of what asked: `AuthorizationRequest.decisions`, `Visit.decisions`."""


def with_question(decisions: Decisions, question: Question) -> Decisions:
    """The question is put: an earlier decision is none any more."""
    return {**undecided(decisions), _QUESTION: question.to_dict()}


def with_decision(decisions: Decisions, decision: Decision) -> Decisions:
    """The question is answered."""
    allowed = decision.allowed.to_dict() if decision.allowed is not None else None
    return {**undecided(decisions), _DECISION: {**decision.question.to_dict(), "allowed": allowed}}


def question_in(decisions: Decisions) -> Question | None:
    """What the page asks."""
    value = decisions.get(_QUESTION)
    return Question.from_dict(value) if value is not None else None


def decision_in(decisions: Decisions) -> Decision | None:
    """What was decided for this request, by whomever."""
    value = decisions.get(_DECISION)
    if value is None:
        return None
    allowed = value["allowed"]
    return Decision(Question.from_dict(value), Permissions.from_dict(allowed) if allowed is not None else None)


def undecided(decisions: Decisions) -> Decisions:
    """What others asked: no question of ours, and no answer."""
    return {name: value for name, value in decisions.items() if name not in (_QUESTION, _DECISION)}
