"""The types that settings are made of: each refuses what the specification that it names does not allow."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Seconds = Annotated[int, Field(gt=0, le=10 * 365 * 86400)]
"""A duration in seconds."""

LONGEST_IDENTIFIER = 255
"""Characters of a client_id, a username or a subject: what is longer is not looked up, and not remembered."""
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class SettingsModel(BaseModel):
    """A table of the configuration: unknown names are refused, and a mistake never repeats what was written."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True, validate_default=True
    )


_HOST = re.compile(r"[a-z0-9._-]*|[0-9a-f:.]+")


def split_uri(uri: str) -> SplitResult:
    """The parts of an absolute URI without surprises. Raises ValueError."""
    if not uri.isascii() or any(character <= " " or character in '\\"<>^`{|}\x7f' for character in uri):
        raise ValueError("only the characters that RFC 3986 allows")
    parts = urlsplit(uri)
    _ = parts.port  # raises ValueError for what is no port
    if not parts.scheme:
        raise ValueError("an absolute URI, with its scheme")
    if not _HOST.fullmatch(parts.hostname or ""):
        raise ValueError("its host must be a name or an address")
    return parts


def _issuer(uri: str) -> str:
    """OpenID Connect Discovery 1.0, 3: https, no query, no fragment; http only on this machine."""
    parts = split_uri(uri)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("must be an https URL")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError("must be an https URL: http is only for localhost, 127.0.0.1 and [::1]")
    if parts.query or parts.fragment or "?" in uri or "#" in uri or parts.username is not None:
        raise ValueError("must have no query, no fragment and no user name")
    if uri.endswith("/"):
        raise ValueError("must not end with a slash: it is compared character by character")
    if parts.path:
        _path(parts.path)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if uri != f"{parts.scheme}://{host}{f':{parts.port}' if parts.port is not None else ''}{parts.path}":
        raise ValueError("must be in lower case up to its path: it is compared character by character")
    return uri


def _redirect_uri(uri: str) -> str:
    """RFC 6749 3.1.2, RFC 9700 4.1.3, RFC 8252 7: where an authorization response may be sent."""
    parts = split_uri(uri)
    if "#" in uri:
        raise ValueError("must have no fragment (RFC 6749 3.1.2)")
    if parts.username is not None:
        raise ValueError("must have no user name")
    if parts.scheme in ("https", "http"):
        if not parts.hostname:
            raise ValueError("must name a host")
        if "*" in uri:
            raise ValueError("is compared exactly: no wildcards (RFC 9700 4.1.3)")
    elif "." not in parts.scheme:
        raise ValueError("a private-use scheme is a reversed domain name, as com.example.app:/callback (RFC 8252 7.1)")
    return uri


def _bind(bind: str) -> str:
    host, colon, port = bind.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError("must be HOST:PORT, as 127.0.0.1:8400")
    return bind


def _network(network: str) -> str:
    ipaddress.ip_network(network)
    return network


def _page_link(uri: str) -> str:
    parts = split_uri(uri)
    if not (parts.scheme in ("https", "http") and parts.hostname) and not (parts.scheme == "mailto" and parts.path):
        raise ValueError("must be an https, http or mailto URL")
    return uri


def check_https_url(url: str) -> str:
    """An https URL with a host, in the characters of RFC 3986, without a user name. Raises ValueError."""
    parts = split_uri(url)
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise ValueError("must be an https URL")
    return url


def check_scope(scope: str) -> str:
    """RFC 6749 3.3: words of printable ASCII, separated by one space."""
    for word in scope.split(" ") if scope else ():
        if not word or any(not ("!" <= c <= "~") or c in '"\\' for c in word):
            raise ValueError("must be words of printable ASCII with one space between them (RFC 6749 3.3)")
    return scope


_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+")


def _path(path: str) -> str:
    """RFC 3986 3.3, without what is read in more than one way."""
    if not _PATH.fullmatch(path) or {".", ".."}.intersection(path.split("/")):
        raise ValueError("must be a path as /token: with a slash in front, none at the end")
    return path


Issuer = Annotated[str, AfterValidator(_issuer)]
Bind = Annotated[str, AfterValidator(_bind)]
Network = Annotated[str, AfterValidator(_network)]
RedirectURI = Annotated[str, AfterValidator(_redirect_uri)]
Scope = Annotated[str, AfterValidator(check_scope)]
PathText = Annotated[str, AfterValidator(_path)]
Identifier = Annotated[
    str, Field(min_length=1, max_length=LONGEST_IDENTIFIER, pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$")
]
"""RFC 6749 A.1: printable ASCII, here without blanks at its ends."""

HTTPSURL = Annotated[str, AfterValidator(check_https_url)]
PageLink = Annotated[str, AfterValidator(_page_link)]
"""Where a link on a page leads."""
