"""`creance serve`."""

from __future__ import annotations

import click
from pydantic import TypeAdapter, ValidationError

from ..setting_types import Bind
from .invocation import Invocation, config_option, pass_invocation


def _check_bind(ctx: click.Context, parameter: click.Parameter, bind: str | None) -> str | None:
    """HOST:PORT, as `http.bind` takes it."""
    if bind is None:
        return None
    try:
        return TypeAdapter[str](Bind).validate_python(bind)
    except ValidationError:
        raise click.BadParameter("must be HOST:PORT, as 127.0.0.1:8400") from None


@click.command()
@config_option
@click.option(
    "--bind",
    callback=_check_bind,
    metavar="HOST:PORT",
    help="Listen here, whatever the configuration says. Port 0 is any that is free.",
)
@pass_invocation
def serve(invocation: Invocation, bind: str | None) -> None:
    """Serve the provider, until Ctrl+C or SIGTERM.

    The issuer stays what the configuration says: where that is another address, put a proxy in front.
    """
    from ..serving import serve as serve_provider

    provider = invocation.provider
    serve_provider(provider, invocation.configuration, bind or provider.settings.http.bind)
