"""For authors of plugins and stores, and for our own tests: `pip install creance[testing]`.

`StoreConformance` is the test class that every store backend runs. `RunningProvider` is a provider on a real socket,
`RelyingParty` an app and `Browser` its user in front of it; pytest has the fixtures `op` and `run_provider`.
"""

from .relying_party import Answer, AuthorizationAnswer, Browser, RelyingParty
from .running import RunningProvider
from .store_conformance import StoreConformance

__all__ = ["Answer", "AuthorizationAnswer", "Browser", "RelyingParty", "RunningProvider", "StoreConformance"]
