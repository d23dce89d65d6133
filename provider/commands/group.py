"""The group of all commands: those of plugins too, and refusals in clear lines."""

from __future__ import annotations

from typing import Any

import click

from ..errors import ConfigurationError, OAuthError
from ..store import StoreError
from .invocation import Invocation
from .refusal import Refused


class CreanceGroup(click.Group):
    """Our own commands need no configuration to be found; those of plugins are looked for after them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, for the help."""
        own = super().list_commands(ctx)
        return [*own, *(name for name in _plugin_commands(ctx) if name not in own)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name. A plugin cannot take the place of one of ours."""
        return super().get_command(ctx, cmd_name) or _plugin_commands(ctx).get(cmd_name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """What was typed; where it is not found because the configuration cannot be read, that is what is said."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            invocation = ctx.ensure_object(Invocation)
            if invocation.configuration.exists():
                _ = invocation.provider
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what it refuses is said in lines, never in a traceback."""
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            raise Refused(*error.mistakes) from None
        except (StoreError, OAuthError) as error:
            raise Refused(str(error)) from None
        except BrokenPipeError:
            raise
        except OSError as error:
            where = f"{error.filename}: " if error.filename is not None else ""
            raise Refused(f"{where}{error.strerror or error}") from None


def _plugin_commands(ctx: click.Context) -> dict[str, click.Command]:
    """The commands of the plugins that the configuration names; none where it cannot be read."""
    try:
        provider = ctx.ensure_object(Invocation).provider
    except ConfigurationError:
        return {}
    return {command.name: command for command in provider.plugins.listed("commands") if command.name}
