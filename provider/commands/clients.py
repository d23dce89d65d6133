"""`creance clients`."""

from __future__ import annotations

from collections.abc import Callable
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import click
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from ..client_secrets import hash_client_secret, new_client_secret
from ..clients import Client
from ..configuration import explain
from ..errors import ConfigurationError
from ..openid_provider import OpenIDProvider
from ..registration import ClientSettings
from .assignment import assignments
from .invocation import Invocation, config_option, pass_invocation
from .table import print_table
from .terminal import read_secret_line

F = TypeVar("F", bound=Callable[..., Any])

SECRETS = {"client_secret", "client_secret_file", "client_secret_hash"}
"""What is generated, or read from standard input: never an argument, which others on the machine can see."""


def registration_options(command: F) -> F:
    """An option for each field of a registration, by the name of RFC 7591."""
    for name, field in reversed(ClientSettings.model_fields.items()):
        if name not in SECRETS | {"client_id", "plugins"}:
            command = _option(name, field)(command)
    return command


def _option(name: str, field: FieldInfo) -> Callable[[F], F]:
    flag = f"--{name.replace('_', '-')}"
    kind = _without_none(field.annotation)
    described: dict[str, Any] = {"default": None, "help": _first_sentence(field.description or "")}
    if kind is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", **described)
    if get_origin(kind) is list:  # said once for each item, in the singular too
        return click.option(flag, flag[:-1], name, multiple=True, type=_type(get_args(kind)[0]), **described)
    return click.option(flag, type=_type(kind), **described)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        return next(kind for kind in get_args(annotation) if kind is not type(None))
    return annotation


def _type(kind: Any) -> Any:
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    return int if kind is int else str


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).partition(". ")[0].rstrip(".") + "."


@click.group()
@config_option
def clients() -> None:
    """The apps that may ask. Those of the configuration file are changed there."""


@clients.command()
@config_option
@click.argument("client_id")
@registration_options
@click.option(
    "--plugin",
    "plugin_settings",
    callback=assignments,
    multiple=True,
    metavar="PLUGIN.SETTING=VALUE",
    help="A plugin's setting for this client, as introspection.sees=audience. Any number of times.",
)
@click.option(
    "--secret-from-stdin",
    is_flag=True,
    help="Read the secret as one line from standard input; otherwise one is generated.",
)
@pass_invocation
def add(
    invocation: Invocation,
    /,
    client_id: str,
    plugin_settings: dict[str, Any],
    secret_from_stdin: bool,
    **registration: Any,
) -> None:
    """Add a client to the store, and print its secret: once, as it is kept as a hash."""
    fields = {name: value for name, value in registration.items() if value not in (None, ())}
    secret = _secret(fields, secret_from_stdin)
    if secret is not None:
        fields["client_secret_hash"] = hash_client_secret(secret)
    settings = _validated({"client_id": client_id, **fields, "plugins": _plugin_tables(plugin_settings)})
    with invocation.started_provider() as provider:
        _refuse(provider, settings)
        client = provider.clients.add(settings)
    click.echo(f'client_id = "{client.client_id}"')
    if secret is not None and not secret_from_stdin:
        click.echo(f'client_secret = "{secret}"')


def _secret(fields: dict[str, Any], from_stdin: bool) -> str | None:
    if from_stdin:
        return read_secret_line("Client secret")
    default = ClientSettings.model_fields["token_endpoint_auth_method"].default
    method: str = fields.get("token_endpoint_auth_method", default)
    return new_client_secret() if method.startswith("client_secret_") else None


def _validated(registration: dict[str, Any]) -> ClientSettings:
    try:
        return ClientSettings.model_validate(registration)
    except ValidationError as error:
        raise ConfigurationError(*explain(error, ClientSettings, "client")) from None


def _plugin_tables(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    tables: dict[str, dict[str, Any]] = {}
    for path, value in settings.items():
        plugin, dot, name = path.partition(".")
        if not dot or not plugin or not name:
            raise ConfigurationError(f"--plugin {path}: must be PLUGIN.SETTING=VALUE, as introspection.sees=audience")
        tables.setdefault(plugin, {})[name] = value
    return tables


def _refuse(provider: OpenIDProvider, settings: ClientSettings) -> None:
    """Raises ConfigurationError, InvalidClientMetadata for what this provider, or a plugin of it, does not accept."""
    mistakes = provider.check_client(settings, "client")
    if provider.users.find_by_subject(settings.client_id) is not None:
        mistakes.append(f"client_id {settings.client_id} is the sub of a user")
    if mistakes:
        raise ConfigurationError(*mistakes)
    metadata = settings.model_dump(mode="json", exclude=SECRETS, exclude_none=True)
    provider.plugins.hook.check_registration(metadata=metadata)


@clients.command()
@config_option
@click.argument("client_id")
@pass_invocation
def remove(invocation: Invocation, client_id: str) -> None:
    """Remove a client from the store. Its codes and tokens are worth nothing from then on."""
    with invocation.started_provider() as provider:
        provider.clients.remove(client_id)
    click.echo(f"{client_id} is removed")


@clients.command("list")
@config_option
@pass_invocation
def list_clients(invocation: Invocation) -> None:
    """List the clients of the configuration and of the store."""

    def row(client: Client, where: str) -> tuple[str, ...]:
        return client.client_id, client.authentication_method, ",".join(sorted(client.grant_types)), where, client.name

    with invocation.started_provider() as provider:
        rows = [row(client, "configuration") for client in provider.clients.configured()]
        rows += [row(client, "store") for client in provider.clients.stored()]
    print_table(("client_id", "authentication", "grants", "where", "name"), rows)
