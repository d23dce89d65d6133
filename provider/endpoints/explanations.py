"""What an error page says: what happened, what the person can do, and what the developers of the app can do."""

from __future__ import annotations

from dataclasses import dataclass

from ..catalogues import translatable
from ..errors import OAuthError, StartAgain, UnprovenRedirect


@dataclass(frozen=True, slots=True)
class Explanation:
    """Texts for the catalogues, for the person."""

    title: str
    what: str
    """What happened, in a sentence or two."""
    advice: str
    """What to do now."""


_TRY_AGAIN = translatable("Go back to the app that you came from and try again.")

WRONG_REQUEST = Explanation(
    translatable("The app made a mistake"),
    translatable(
        "The app that sent you here asked in a way that we cannot answer. To keep you safe, we do not send you on to"
        " where it wants."
    ),
    translatable("You have done nothing wrong. Tell the people who run the app about this page."),
)
START_AGAIN = Explanation(
    translatable("Please start again"),
    translatable("This page was open for too long or in another browser, or this browser keeps no cookies."),
    translatable("Go back to the app and log in from there. If this happens again, allow cookies for this page."),
)
OTHER = Explanation(
    translatable("This did not work"), translatable("We cannot answer what this browser has sent."), _TRY_AGAIN
)
BY_STATUS = {
    404: Explanation(
        translatable("There is no such page"),
        translatable("There is nothing at this address."),
        translatable("Look whether the address is complete, or start from the app that you want to use."),
    ),
    405: Explanation(
        translatable("This page cannot be opened like this"),
        translatable("There is something at this address, but not for this kind of request."),
        _TRY_AGAIN,
    ),
    408: Explanation(
        translatable("This took too long"), translatable("Not all of what this browser sent has arrived."), _TRY_AGAIN
    ),
    413: Explanation(
        translatable("This was too long"), translatable("This browser has sent more than we take."), _TRY_AGAIN
    ),
    414: Explanation(
        translatable("This was too long"), translatable("The address of this page is longer than we take."), _TRY_AGAIN
    ),
    429: Explanation(
        translatable("Too many attempts"),
        translatable("There were more attempts in a short time than we allow."),
        translatable("Wait a little, then try again."),
    ),
    500: Explanation(
        translatable("Something went wrong here"),
        translatable("It was a mistake of ours, not of yours."),
        translatable("Try again. If it happens again, tell the people who run this service, with the number below."),
    ),
    503: Explanation(
        translatable("We cannot answer right now"),
        translatable("There is too much to do at this moment, or something is being repaired."),
        translatable("Wait a little, then load this page again."),
    ),
}

FOR_DEVELOPERS = {
    "client_id is missing": translatable(
        "Every authorization request names its client: send as client_id what the app was given when it was registered"
        " (RFC 6749 4.1.1)."
    ),
    "client_id is not that of a client of this provider": translatable(
        "No client with this client_id is registered here. Compare it, letter by letter, with that of the registration,"
        " and look whether the app was registered with another provider than this one: its issuer is below. The"
        " operator registers an app under [[clients]] in the configuration, or by “creance clients add”."
    ),
    "redirect_uri is missing": translatable(
        "Send the redirect_uri: it is required together with the scope openid, and wherever a client has registered"
        " more than one or none (OpenID Connect Core 3.1.2.1, RFC 6749 3.1.2.3)."
    ),
    "redirect_uri is not registered for this client": translatable(
        "The redirect_uri is compared as a whole, letter by letter, with those that are registered for this client:"
        " scheme, host, port, path and query, upper and lower case, and a slash at the end. Nothing but the port of a"
        " native app on this machine may differ (RFC 8252 7.3). Send one that is registered, or let the operator add"
        " this one to redirect_uris of the client."
    ),
    "client_id is there more than once": translatable("Send every parameter once (RFC 6749 3.1)."),
    "redirect_uri is there more than once": translatable("Send every parameter once (RFC 6749 3.1)."),
    "client_id holds a NUL character": translatable("Look how the app builds the address that it sends people to."),
    "redirect_uri holds a NUL character": translatable("Look how the app builds the address that it sends people to."),
}
"""By the description of the error: the mistake is named there, and the remedy here."""


def explain(error: OAuthError) -> Explanation:
    """What a person is told of an error."""
    if isinstance(error, StartAgain):
        return START_AGAIN
    if isinstance(error, UnprovenRedirect):
        return WRONG_REQUEST
    return BY_STATUS.get(error.status, OTHER)
