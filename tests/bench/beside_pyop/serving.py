"""`python -m bench.beside_pyop.serving KIND SIZE CONFIGURATION`: one of the three, by the server of `creance serve`."""

from __future__ import annotations

import multiprocessing.util
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from creance.provider import HostLogin, OpenIDProvider, create_app
from creance.provider.admission import WSGI, Admission
from creance.provider.configuration import read_settings
from creance.provider.listening import claimed, resolve
from creance.provider.memory import keep_memory_small
from creance.provider.serving import CANNOT_START, Server, obey_the_parent
from creance.provider.settings import Settings

from .falcon_host import falcon_host, logged_in
from .kinds import ADOPTED, CREANCE, PLAIN
from .plain_provider import plain_provider

Build = Callable[[Settings, int], WSGI]


def _plain(settings: Settings, size: int) -> WSGI:
    return falcon_host(plain_provider(settings.issuer, size))


def _creance(settings: Settings, size: int) -> WSGI:
    """As `creance serve` does it, but for the login. `size` is that of the store already."""
    provider = OpenIDProvider(settings)
    _stop_at_the_end(provider)
    app = create_app(provider, host_login=_host_login)
    keep_memory_small()
    return Admission(app, settings.http, resolve(settings.http.bind).port)


def _adopted(settings: Settings, size: int) -> WSGI:
    """As `docs/adopting.md` says it for every host whose views call pyop's methods: by one line."""
    store = {"uri": f"sqlite:{settings.path(Path('adopted.db'))}"}
    provider = OpenIDProvider.adopt(plain_provider(settings.issuer, size), settings={"store": store})
    _stop_at_the_end(provider)
    return falcon_host(provider)


BUILDERS: Mapping[str, Build] = {PLAIN: _plain, CREANCE: _creance, ADOPTED: _adopted}
"""The app of each."""


def _host_login(environ: Mapping[str, Any]) -> HostLogin:
    return HostLogin(logged_in(environ))


def _stop_at_the_end(provider: OpenIDProvider) -> None:
    multiprocessing.util.Finalize(None, provider.stop, exitpriority=1)  # atexit does not run in a forked child


def main(kind: str, size: str, configuration: str) -> None:
    """Serve until SIGTERM."""
    settings = read_settings(configuration)
    with claimed(resolve(settings.http.bind)) as address:
        build = partial(build_app, kind, int(size), settings)
        Server(settings, address, greets=False).serve(target_loader=build, wrap_loader=False)


def build_app(kind: str, size: int, settings: Settings) -> WSGI:
    """Called in the worker. What it cannot make ends the server."""
    obey_the_parent()
    try:
        return BUILDERS[kind](settings, size)
    except Exception:
        traceback.print_exc()
        sys.exit(CANNOT_START)


if __name__ == "__main__":
    main(*sys.argv[1:])
