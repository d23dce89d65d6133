"""`creance init`."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from importlib.resources import files
from pathlib import Path

import click

from ..configuration import read_settings
from ..plugin_registry import installed_plugins
from ..sealing import make_secret_file
from .refusal import Refused
from .schema import schema_text

SAMPLES = {"demo": "embedded.toml", "production": "production.toml", "mongodb": "mongodb.toml"}

PLACEHOLDER_URI = "mongodb://localhost/creance"


@click.command()
@click.argument("kind", type=click.Choice(list(SAMPLES)), default="demo")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path(), metavar="[DIR]")
def init(kind: str, folder: Path) -> None:
    """Write a commented configuration to start from, as creance.toml; nothing that is there is changed.

    demo is a provider to try things with on this machine; production is one behind a proxy that speaks https, and comes
    with the files of the secrets that it refers to, freshly made; mongodb is the same on a database server, for any
    number of machines, to which all of this is copied.
    """
    configuration = folder / "creance.toml"
    if configuration.exists():
        raise Refused(f"{configuration} is there already, and stays as it is")
    folder.mkdir(parents=True, exist_ok=True)
    _write_new(configuration, (files("creance.config") / SAMPLES[kind]).read_text("utf-8"))
    _write_new(folder / "creance.schema.json", schema_text(installed_plugins()))
    if kind != "demo":
        _make_secrets(configuration)
    click.echo(f"{configuration} is written; next: {_NEXT[kind]} --config {configuration}")


_NEXT = {
    "demo": "creance serve",
    "production": "put your own issuer and apps into it, then creance check",
    "mongodb": "put your own issuer and apps into it, your database into secrets/store-uri, then creance check",
}


def _write_new(path: Path, text: str, mode: int = 0o666) -> None:
    """A new file; one that is there stays."""
    with suppress(FileExistsError), open(path, "x", encoding="utf-8", opener=partial(os.open, mode=mode)) as file:
        file.write(text)


def _make_secrets(configuration: Path) -> None:
    """The files of secrets that a configuration names, each with a fresh one, readable by their owner only."""
    settings = read_settings(configuration, environ={})
    named = [settings.keys.secret_file, *(client.client_secret_file for client in settings.clients)]
    for path in named:
        if path is not None:
            make_secret_file(settings.path(path))
    if settings.store.uri_file is not None:
        _write_new(settings.path(settings.store.uri_file), f"{PLACEHOLDER_URI}\n", mode=0o600)
