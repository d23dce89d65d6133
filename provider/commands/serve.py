"""`creance serve`."""

from __future__ import annotations

import click
from pydantic import TypeAdapter, ValidationError

from ..setting_types import Bind
from .invocation import Invocation, config_option, pass_invocation


class BindType(click.ParamType):
    """HOST:PORT, as `http.bind` takes it."""

    name = "HOST:PORT"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The value, if it is one."""
        try:
            return TypeAdapter[str](Bind).validate_python(value)
        except ValidationError:
            self.fail("must be HOST:PORT, as 127.0.0.1:8400", param, ctx)


@click.command()
@config_option
@click.option("--bind", type=BindType(), help="Listen here, whatever the configuration says. Port 0 is any free one.")
@pass_invocation
def serve(invocation: Invocation, bind: str | None) -> None:
    """Serve the provider, until Ctrl+C or SIGTERM.

    The issuer stays what the configuration says: put a proxy in front where it is another address.
    """
    from ..serving import serve as serve_provider

    settings = invocation.provider.settings
    serve_provider(invocation.provider, invocation.configuration, bind or settings.http.bind)
