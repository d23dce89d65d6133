"""The state of an adopted provider, for a host that asks for subject identifiers itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..authorization_state import GrantState

if TYPE_CHECKING:
    from .provider import AdoptedProvider


class AdoptedState(GrantState):
    """As `GrantState`. What `get_subject_identifier` has answered is known from then on, as with pyop."""

    def __init__(self, provider: AdoptedProvider) -> None:
        super().__init__(provider)
        self._adopted_users = provider.adopted_users

    def get_subject_identifier(self, subject_type: str, user_id: str, sector_identifier: str | None = None) -> str:
        """As `GrantState.get_subject_identifier`. Raises StoreUnavailable too."""
        subject = super().get_subject_identifier(subject_type, user_id, sector_identifier)
        self._adopted_users.learn(user_id, subject, subject_type)
        return subject
