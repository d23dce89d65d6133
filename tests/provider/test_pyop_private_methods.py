"""What of pyop is overridden is still there, and is still called the same way.

An override of a method that pyop renamed would be dead code, and pyop's own, unsafe one would answer in its place.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable

import pytest
from creance.provider import OpenIDProvider
from creance.provider.authorization_state import GrantState
from creance.provider.pyop_interface import PRIVATE_METHODS, PyopInterface
from pyop.authz_state import AuthorizationState
from pyop.provider import Provider

ADDED = {"start_pyop_interface"}
"""What the interface has that pyop has not."""


def public(cls: type) -> set[str]:
    """The public methods and properties that a class defines itself."""
    return {
        name
        for name, member in vars(cls).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
    }


def shape(cls: type, name: str) -> object:
    """How a member is used: names, kinds and defaults of its parameters, or that it is a property."""
    member = inspect.getattr_static(cls, name)
    if isinstance(member, property):
        return "a property"
    parameters = inspect.signature(member).parameters.values()
    return [(parameter.name, parameter.kind, parameter.default) for parameter in parameters]


def differences(ours: type, theirs: type, names: Iterable[str]) -> list[str]:
    """A line for each method that pyop has no longer, or has with another signature."""
    lines = []
    for name in sorted(names):
        where = f"{theirs.__name__}.{name}"
        if not hasattr(theirs, name):
            lines.append(f"{where} is not in pyop any more")
        elif shape(ours, name) != shape(theirs, name):
            lines.append(f"{where} is called otherwise: {shape(theirs, name)}, here {shape(ours, name)}")
    return lines


def test_every_public_method_of_the_provider_is_still_pyops() -> None:
    """pyop 3.5, Seams: the stable public ones."""
    assert differences(PyopInterface, Provider, public(PyopInterface) - ADDED) == []


def test_every_private_method_that_is_overridden_is_still_pyops() -> None:
    """pyop 3.5, Seams: private ones that an override needs."""
    private = {name for name, member in vars(PyopInterface).items() if inspect.isfunction(member)}
    overridden = {name for name in private - public(PyopInterface) if hasattr(Provider, name)}

    assert overridden == set(PRIVATE_METHODS)
    assert differences(PyopInterface, Provider, PRIVATE_METHODS) == []


def test_every_public_method_of_the_state_is_still_pyops() -> None:
    """pyop 3.5, Seams: `AuthorizationState`."""
    assert differences(GrantState, AuthorizationState, public(GrantState)) == []


@pytest.mark.parametrize(("ours", "theirs"), [(OpenIDProvider, Provider), (GrantState, AuthorizationState)])
def test_no_public_method_is_left_to_pyop(ours: type, theirs: type) -> None:
    """pyop's classes are overridden, every public method; one that a new version adds is noticed."""
    left = [name for name in public(theirs) if getattr(ours, name) is getattr(theirs, name)]

    assert left == []


def test_a_method_that_changed_is_named() -> None:
    """This test's own promise, held against a pyop that has changed."""

    class Changed:
        jwks = property(lambda self: {})

        def logout_user(self, subject: str) -> None: ...

    lines = differences(PyopInterface, Changed, ["jwks", "logout_user", "authorize"])

    assert lines[0] == "Changed.authorize is not in pyop any more"
    assert lines[1].startswith("Changed.logout_user is called otherwise: ")
    assert len(lines) == 2
