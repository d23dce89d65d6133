"""For authors of plugins and stores, and for our own tests: `pip install creance[testing]`.

`StoreConformance` is the test class that every store backend runs. `RunningProvider` is a provider on a real socket,
`RelyingParty` an app and `Browser` its user in front of it; pytest has the fixtures `op` and `run_provider`.
"""

import pytest

# Before its first import, so that a failure shows its values.
pytest.register_assert_rewrite("creance.provider.testing.store_conformance")

from .relying_party import Answer, AuthorizationAnswer, Browser, RelyingParty, forms_of  # noqa: E402
from .running import RunningProvider  # noqa: E402
from .store_conformance import StoreConformance  # noqa: E402

__all__ = [
    "Answer",
    "AuthorizationAnswer",
    "Browser",
    "RelyingParty",
    "RunningProvider",
    "StoreConformance",
    "forms_of",
]
