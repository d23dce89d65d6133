"""Subject identifiers of an adopted provider, where its host may choose them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..subjects import Subjects
from ..users import User, Users

if TYPE_CHECKING:
    from ..clients import Client
    from ..settings import SubjectSettings


@dataclass(frozen=True, slots=True)
class UserOfOneSub(User):
    """A person with a `sub` in the claims of pyop's `Userinfo`: pyop gives that to each client, whatever its
    subject_type.
    """


class AdoptedSubjects(Subjects):
    """As `Subjects`, and as pyop for those whose `sub` their host says."""

    def __init__(self, settings: SubjectSettings, salt: str, users: Users) -> None:
        super().__init__(settings, salt)
        self._users = users

    def of(self, client: Client, redirect_uri: str, *, username: str, subject: str) -> str:
        """As `Subjects.of`. Raises StoreUnavailable, TemporarilyUnavailable too."""
        if self.type_of(client) == "pairwise" and isinstance(self._users.find(username), UserOfOneSub):
            return subject
        return super().of(client, redirect_uri, username=username, subject=subject)
