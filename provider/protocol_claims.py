"""The claims that belong to the protocol: no user's data and no plugin may give them another meaning."""

PROTOCOL_CLAIMS = frozenset(
    # OpenID Connect Core 2, 3.3.2.11
    {"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash"}
    # RFC 7519 4.1, OpenID Connect Session and Logout, RFC 7800, RFC 8693, RFC 7662, RFC 9449
    | {"nbf", "jti", "sid", "events", "s_hash", "cnf", "act", "may_act", "client_id", "scope", "active", "token_type"}
)
