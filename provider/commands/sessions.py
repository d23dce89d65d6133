"""`creance sessions`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ..browser_sessions import BrowserSession, BrowserSessions
from ..errors import ConfigurationError
from ..openid_provider import OpenIDProvider
from .invocation import Invocation, config_option, pass_invocation
from .table import moment, print_table


@click.group()
@config_option
def sessions() -> None:
    """Who is logged in, at which browsers."""


@sessions.command("list")
@config_option
@click.option("--user", "username", metavar="NAME", help="Only those of one user.")
@pass_invocation
def list_sessions(invocation: Invocation, username: str | None) -> None:
    """List the sessions that have not ended, the last used first.

    One that is remembered was begun by the browser itself, or can be: nobody typed a password for it.
    """
    with invocation.started_provider() as provider:
        found = _sessions_of(provider, username)
    header = ("sid", "user", "login", "last used", "ends", "kind", "address", "browser")
    print_table(header, [_row(session) for session in found])


@sessions.command()
@config_option
@click.argument("sid", required=False)
@click.option("--user", "username", metavar="NAME", help="All sessions of a user, and what their browsers remember.")
@pass_invocation
def end(invocation: Invocation, sid: str | None, username: str | None) -> None:
    """End a session, by the sid that the list shows, or all of a user. What apps got in it ends too, unless it was
    given with offline_access.
    """
    if (sid is None) == (username is None):
        raise click.UsageError("Give either a SID or --user NAME.")
    with invocation.started_provider() as provider:
        kept = _kept(provider)
        if username is not None:
            _refuse_unknown(provider, username)
            ended = kept.end_all(username)
        else:
            ended = sum(session.sid == sid for session in kept.all())
            if not ended:
                raise ConfigurationError(f"sid {sid} is that of no session")
            kept.end(str(sid))
    click.echo(f"{ended} {'session' if ended == 1 else 'sessions'} ended")


def _kept(provider: OpenIDProvider) -> BrowserSessions:
    if provider.browser_sessions is None:
        raise ConfigurationError("nothing keeps sessions here: [plugins.sessions] is not switched on")
    return provider.browser_sessions


def _sessions_of(provider: OpenIDProvider, username: str | None) -> Sequence[BrowserSession]:
    kept = _kept(provider)
    if username is None:
        return kept.all()
    _refuse_unknown(provider, username)
    return kept.of_user(username)


def _refuse_unknown(provider: OpenIDProvider, username: str) -> None:
    if provider.users.find(username) is None:
        raise ConfigurationError(f"username {username} does not exist")


def _row(session: BrowserSession) -> tuple[str, ...]:
    times = (moment(each) for each in (session.auth_time, session.last_seen, session.expires_at))
    kind = "remembered" if session.remembered else "login"
    return (session.sid, session.username, *times, kind, session.remote_address, session.user_agent)
