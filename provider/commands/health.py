"""`creance health`."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

import click

from ..configuration import read_settings
from ..listening import resolve
from ..routes import CORE_ENDPOINTS
from ..settings import Settings
from .invocation import Invocation, config_option, pass_invocation
from .refusal import Refused

_PATIENCE = 1.0
"""Seconds that an answer may take, beyond those that the store has for it."""


@click.command()
@config_option
@click.option("--live", is_flag=True, help="Ask only whether it is alive, whatever its store does.")
@pass_invocation
def health(invocation: Invocation, live: bool) -> None:
    """Ask the provider that runs here, at http.bind, whether it can serve: for the health check of a container.

    The exit code is 0 where it can, and 1 where it cannot or nobody answers.
    """
    settings = read_settings(invocation.configuration)
    path = _path(settings, "health_live" if live else "health_ready")
    address = resolve(settings.http.bind)
    connection = HTTPConnection(
        address.reachable_host, address.port, timeout=settings.store.timeout + _PATIENCE
    )  # not by way of a proxy, which the environment may name
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        raise Refused(f"{address}: no answer: {getattr(error, 'strerror', None) or error}") from None
    finally:
        connection.close()
    if status != 200:
        raise Refused(f"{address}: answers {status} to {path}")
    click.echo("alive" if live else "ready")


def _path(settings: Settings, name: str) -> str:
    """Of an endpoint, without making the provider: that would do much more than is asked for here."""
    (usual,) = (endpoint.path for endpoint in CORE_ENDPOINTS if endpoint.name == name)
    return urlsplit(settings.issuer).path + settings.endpoints.get(name, usual)
