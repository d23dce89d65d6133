"""The URI of the Redis that a pyop provider keeps its state in, so that our documents go there too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from pyop.storage import RedisWrapper

_SCHEMES: Final = {"SSLConnection": "rediss", "UnixDomainSocketConnection": "unix", "Connection": "redis"}
"""By the name of redis's own class for it."""


def redis_uri(wrapper: RedisWrapper) -> str | None:
    """Of its server and database, with user, password and what was said of TLS; None where no URI can say that."""
    pool = wrapper._db.connection_pool
    given = pool.connection_kwargs
    scheme = _SCHEMES.get(pool.connection_class.__name__)
    tls = {name: value for name, value in given.items() if name.startswith("ssl_") and value is not None}
    database = str(given.get("db") or 0)
    if scheme is None or not database.isdecimal() or not all(isinstance(value, str | bool) for value in tls.values()):
        return None
    if scheme == "unix":
        return f"unix://{_user(given)}{quote(given['path'])}?{urlencode({'db': database, **tls})}"
    host = str(given.get("host", "localhost"))
    place = f"[{host}]" if ":" in host else quote(host)
    return f"{scheme}://{_user(given)}{place}:{given.get('port', 6379)}/{database}{'?' if tls else ''}{urlencode(tls)}"


def _user(given: Mapping[str, Any]) -> str:
    """Before the host, where there is one or a password."""
    user, password = (quote(str(given.get(name) or ""), safe="") for name in ("username", "password"))
    return f"{user}:{password}@" if user or password else ""
