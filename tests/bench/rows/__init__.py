"""The rows of the table: each a kind of request, what it needs, and what its answer must be.

Budgets are those of the design, in S. What a request needs that another one gives (an exchange its code) is made before
anything is measured, and taken from what an earlier row left where that is enough.
"""

from __future__ import annotations

from collections.abc import Sequence

from .browser import Authorization, LoginPage, LoginRedirect, PasswordLogin
from .documents import JWKS, Discovery, Live
from .presented import Introspection, Revocation, Userinfo
from .row import Row
from .token_endpoint import ClientCredentials, Exchange, ExchangeES256, Refresh, RefreshES256

ROWS: Sequence[type[Row]] = (
    Authorization,
    Exchange,
    ExchangeES256,
    Refresh,
    RefreshES256,
    Userinfo,
    ClientCredentials,
    Introspection,
    Discovery,
    JWKS,
    Revocation,
    LoginRedirect,
    LoginPage,
    PasswordLogin,
    Live,
)
"""In the order of the table: each finds what it needs with those before it."""

__all__ = [
    "JWKS",
    "ROWS",
    "Authorization",
    "ClientCredentials",
    "Discovery",
    "Exchange",
    "ExchangeES256",
    "Introspection",
    "Live",
    "LoginPage",
    "LoginRedirect",
    "PasswordLogin",
    "Refresh",
    "RefreshES256",
    "Revocation",
    "Row",
    "Userinfo",
]
