"""What commands share: which configuration they are about, and its provider."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import click

from ..openid_provider import OpenIDProvider
from .loading import load_provider

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_CONFIGURATION = Path("creance.toml")


class Invocation:
    """One call of `creance`. A plugin's command takes it by `@click.pass_obj`."""

    def __init__(self) -> None:
        self.configuration = Path(os.environ.get("CREANCE_CONFIG") or DEFAULT_CONFIGURATION)

    @cached_property
    def provider(self) -> OpenIDProvider:
        """The provider of the configuration, not started. Raises ConfigurationError."""
        return load_provider(self.configuration)

    @contextmanager
    def started_provider(self) -> Iterator[OpenIDProvider]:
        """The provider, with its store open. Raises ConfigurationError, StoreUnavailable, StoreRefused."""
        self.provider.prepare()
        try:
            self.provider.start()
            yield self.provider
        finally:
            self.provider.stop()


def config_option(command: F) -> F:
    """`--config FILE`, before or after the name of the command."""

    def choose(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> None:
        invocation = ctx.ensure_object(Invocation)
        if value is not None:
            invocation.configuration = value

    return click.option(
        "--config",
        "-c",
        type=click.Path(path_type=Path, dir_okay=False),
        callback=choose,
        expose_value=False,
        is_eager=True,
        metavar="FILE",
        help="The configuration file. Otherwise CREANCE_CONFIG names it, otherwise it is ./creance.toml.",
    )(command)


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)
