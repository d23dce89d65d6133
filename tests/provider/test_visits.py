"""A person's visit: the request that travels with the browser, and comes back only there, in time, and unchanged."""

from __future__ import annotations

import base64
import secrets
import time
from typing import Any

import pytest
from creance.provider import Browser, InvalidRequest, Parameters, VisitLost
from creance.provider.browser import CookieNames
from creance.provider.sealing import Sealer
from creance.provider.visits import MAXIMUM_SEALED, Visits
from hypothesis import given
from hypothesis import strategies as st

SECRET = b"a secret of thirty-two characters"
ISSUER = "http://localhost:8400"
NAMES = CookieNames(ISSUER)
REQUEST = Parameters({"client_id": "app", "state": "é\ud800", "redirect_uri": "http://localhost:8401/callback"})


def make_visits(*secrets: bytes, issuer: str = ISSUER) -> Visits:
    sealer = Sealer(secrets or (SECRET,), issuer)
    return Visits(sealer, NAMES, lifetime=60, resume_url=f"{issuer}/auth/resume")


VISITS = make_visits()


def next_request(browser: Browser) -> Browser:
    """The browser as its next request shows it: it has kept the cookies that it was given."""
    kept = browser.cookies | {cookie.name: cookie.value for cookie in browser.set_cookies}
    return Browser(kept, browser.remote_address)


def new_browser() -> Browser:
    return Browser({}, "127.0.0.1")


def test_a_request_comes_back_as_it_went(clock: Any) -> None:
    """DESIGN, A person's visit: it carries what was asked and when."""
    browser = new_browser()
    request = Parameters(REQUEST)
    request.multiple = {"resource": ("x", "y")}
    now = time.time()
    visit = VISITS.open(VISITS.seal(request, now, browser), next_request(browser))
    assert visit.parameters == REQUEST
    assert visit.parameters.multiple == {"resource": ("x", "y")}
    assert visit.parameters.problems == {}
    assert visit.started_at == now


@given(values=st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=8))
def test_whatever_was_asked_comes_back(values: dict[str, str]) -> None:
    """DESIGN, A person's visit."""
    browser = new_browser()
    visit = VISITS.open(VISITS.seal(Parameters(values), 4e9, browser), next_request(browser))
    assert visit.parameters == values


def test_nothing_of_the_request_can_be_read_on_the_way() -> None:
    """DESIGN, A person's visit: authenticated encryption."""
    sealed = VISITS.seal(REQUEST, 4e9, new_browser())
    assert b"callback" not in base64.urlsafe_b64decode(sealed + "==")


def test_it_opens_in_no_other_browser() -> None:
    """DESIGN, A person's visit: bound to a visit cookie. A link that somebody else began leads nowhere."""
    mine, theirs = new_browser(), new_browser()
    sealed = VISITS.seal(REQUEST, 4e9, mine)
    VISITS.seal(REQUEST, 4e9, theirs)
    for browser in (
        next_request(theirs),
        new_browser(),
        Browser({NAMES("visit"): ""}, ""),
        Browser({"visit": "x"}, ""),
    ):
        with pytest.raises(VisitLost):
            VISITS.open(sealed, browser)


def test_two_tabs_of_one_browser_have_one_visit_cookie() -> None:
    """DESIGN, A person's visit: two tabs each end where their own app expects."""
    first = new_browser()
    one = VISITS.seal(Parameters({"state": "one"}), 4e9, first)
    second = next_request(first)
    two = VISITS.seal(Parameters({"state": "two"}), 4e9, second)
    assert second.set_cookies == []
    assert VISITS.open(one, next_request(second)).parameters["state"] == "one"
    assert VISITS.open(two, next_request(second)).parameters["state"] == "two"


def test_one_response_gives_one_visit_cookie() -> None:
    """RFC 6265 4.1.1: not the same cookie twice in one response."""
    browser = new_browser()
    sealed = VISITS.seal(REQUEST, 4e9, browser)
    token = VISITS.csrf_token(browser)
    assert len(browser.set_cookies) == 1
    assert VISITS.open(sealed, next_request(browser))
    assert VISITS.csrf_token_matches(token, next_request(browser))


def test_a_visit_cookie_that_is_taken_away_seals_nothing() -> None:
    """DESIGN, A person's visit: what is sealed is bound to a cookie that the browser will have."""
    before = new_browser()
    VISITS.csrf_token(before)
    browser = next_request(before)
    browser.remove_cookie(NAMES("visit"))
    sealed = VISITS.seal(REQUEST, 4e9, browser)
    assert VISITS.open(sealed, next_request(browser))


def test_it_is_too_old_after_its_lifetime(clock: Any) -> None:
    """DESIGN, A person's visit: short-lived, from the app's request on."""
    browser = new_browser()
    sealed = VISITS.seal(REQUEST, time.time(), browser)
    clock.advance(59)
    assert VISITS.open(sealed, next_request(browser))
    clock.advance(2)
    with pytest.raises(VisitLost):
        VISITS.open(sealed, next_request(browser))


def test_a_change_of_it_is_noticed() -> None:
    """DESIGN, A person's visit: compressed, then authenticated encryption."""
    browser = new_browser()
    sealed = VISITS.seal(REQUEST, 4e9, browser)
    raw = bytearray(base64.urlsafe_b64decode(sealed + "=="))
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 0x80
        with pytest.raises(VisitLost):
            VISITS.open(base64.urlsafe_b64encode(changed).rstrip(b"=").decode(), next_request(browser))


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_refused(sealed: str) -> None:
    """Issue 3, bad input."""
    browser = new_browser()
    VISITS.csrf_token(browser)
    with pytest.raises(VisitLost):
        VISITS.open(sealed, next_request(browser))


def test_another_provider_with_the_same_secret_does_not_open_it() -> None:
    """DESIGN, A person's visit: bound to the issuer."""
    browser = new_browser()
    sealed = VISITS.seal(REQUEST, 4e9, browser)
    with pytest.raises(VisitLost):
        make_visits(issuer="http://localhost:8500").open(sealed, next_request(browser))


def test_a_request_that_is_too_long_is_refused_and_one_that_is_too_long_is_not_opened() -> None:
    """DESIGN, A person's visit: it travels in URLs."""
    browser = new_browser()
    with pytest.raises(InvalidRequest, match="the authorization request is too long"):
        VISITS.seal(Parameters({"state": secrets.token_hex(MAXIMUM_SEALED)}), 4e9, browser)
    with pytest.raises(VisitLost):
        VISITS.open("A" * (MAXIMUM_SEALED + 1), next_request(browser))


def test_the_way_back_has_the_request_in_it() -> None:
    """DESIGN, URLs: from the issuer."""
    assert VISITS.resume_url("a-b_c") == "http://localhost:8400/auth/resume?request=a-b_c"


# The token of forms


def test_the_token_of_a_form_is_bound_to_the_visit() -> None:
    """Issue 3, sessions: csrf_token, checked, bound to the visit."""
    mine, theirs = new_browser(), new_browser()
    token, other = VISITS.csrf_token(mine), VISITS.csrf_token(theirs)
    assert token != other
    assert VISITS.csrf_token_matches(token, next_request(mine))
    for wrong in (other, "", token[:-1], token + "x", token.swapcase(), "é", "\ud800"):
        assert not VISITS.csrf_token_matches(wrong, next_request(mine))
    assert not VISITS.csrf_token_matches(token, new_browser())
    assert not VISITS.csrf_token_matches(token, Browser({NAMES("visit"): ""}, ""))


def test_a_token_of_an_old_secret_is_still_known() -> None:
    """DESIGN, Keys: several secrets: a form that is open while the secret changes can still be sent."""
    browser = new_browser()
    token = VISITS.csrf_token(browser)
    assert make_visits(b"another secret of thirty-two characters", SECRET).csrf_token_matches(
        token, next_request(browser)
    )
