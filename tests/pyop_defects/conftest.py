"""Each defect of pyop 3.5.0, shown on a plain provider and closed in the one that took its place.

A test asserts the defect as well as what is right, so that a release of pyop that mends it is noticed: then its first
half goes. The items are those of the table in docs/security.md.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from creance.provider import OpenIDProvider
from pyop.provider import Provider

from ..pyop_provider import adopt, plain, signing_key

__all__ = ["adopt", "plain", "signing_key"]


@pytest.fixture
def ours(plain: Provider, adopt: Callable[..., OpenIDProvider]) -> OpenIDProvider:
    """Creance in the place of `plain`, with its key, clients and users."""
    return adopt(plain)
