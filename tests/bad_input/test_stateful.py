"""People, apps and thieves in any order, against a small model of what must be true.

Apps log people in, exchange codes, refresh, ask and revoke. Thieves have everything that was ever issued, and are other
clients, or say that they are the one that it belongs to. Whatever was done, each answer is what the model says.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

CODE, ACCESS, REFRESH, ABSOLUTE, GRACE, A_YEAR = 60, 3600, 2592000, 15552000, 10, 31536000
"""Seconds: the defaults of [lifetimes] and grants.refresh_token_grace."""
APPS = ["app", "app-post", "spa"]
CALLBACKS = {"app": "http://localhost:8401/callback", "app-post": "http://localhost:8401/callback"}
CALLBACKS["spa"] = "http://localhost:8402/callback"

# ----- The model -----------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Session:
    """A person at a browser, from login to logout, or for a year."""

    ends_at: float
    ended: bool = False


@dataclass(eq=False)
class Grant:
    """One authorization. What it gave is alive as long as it is."""

    client: str
    user: str
    scope: str
    session: Session
    granted_at: float
    revoked: bool = False

    @property
    def offline(self) -> bool:
        return "offline_access" in self.scope

    @property
    def alive(self) -> bool:
        return not self.revoked and (self.offline or not self.session.ended)


@dataclass(eq=False)
class Issued:
    """A code or a token, and what has become of it."""

    kind: str
    value: str
    grant: Grant
    expires_at: float
    verifier: str = ""
    spent_at: float | None = None
    kept_until: float = 0.0
    """Until when it is known that it was spent."""
    successor: Issued | None = None
    revoked: bool = False

    def known(self, now: float) -> bool:
        """Whether the provider remembers it."""
        until = self.expires_at if self.spent_at is None else self.kept_until
        return self.grant.alive and not self.revoked and now < until

    def usable(self, now: float) -> bool:
        return self.known(now) and self.spent_at is None


@dataclass
class Model:
    """Everything that was ever issued."""

    issued: list[Issued] = field(default_factory=list)
    subjects: dict[str, str] = field(default_factory=dict)

    def of(self, *kinds: str) -> list[Issued]:
        return [each for each in self.issued if each.kind in kinds]

    def spent(self, now: float) -> list[Issued]:
        return [each for each in self.issued if each.spent_at is not None and each.known(now)]


# ----- What happens --------------------------------------------------------------------------------------------------

INVALID_GRANT = (400, "invalid_grant")
KINDS = st.sampled_from(["code", "access_token", "refresh_token"])
PEOPLE = st.sampled_from(["alice", "bob"])
THIEVES = st.sampled_from([None, None, None, *APPS])
WRONG = ["code_verifier", "no code_verifier", "redirect_uri", "no redirect_uri"]
HINTS = st.sampled_from([None, "access_token", "refresh_token", "nonsense"])


def proof_of(code: Issued) -> dict[str, str]:
    """RFC 6749 4.1.3: what its own app sends with a code."""
    form = {"grant_type": "authorization_code", "code": code.value, "code_verifier": code.verifier}
    return form | {"redirect_uri": CALLBACKS[code.grant.client]}


class Play(RuleBasedStateMachine):
    """Two people with a browser each."""

    outside: Any
    came_to_pass: set[str]

    @initialize()
    def begin(self) -> None:
        self.model = Model()
        self.browsers = {user: self.outside.browser() for user in ("alice", "bob")}
        self.sessions: dict[str, Session] = {}

    @property
    def now(self) -> float:
        return self.outside.now()

    def pick(self, data: st.DataObject, *kinds: str) -> Issued:
        """Mostly what was issued lately."""
        issued = self.model.of(*kinds)
        return data.draw(st.sampled_from(issued[-4:]) | st.sampled_from(issued))

    def issue(self, kind: str, value: str, grant: Grant, expires_at: float, **more: Any) -> Issued:
        assert value not in [each.value for each in self.model.issued]
        issued = Issued(kind, value, grant, expires_at, **more)
        self.model.issued.append(issued)
        return issued

    # People

    @rule(user=PEOPLE, client=st.sampled_from(APPS), offline=st.booleans())
    def authorize(self, user: str, client: str, offline: bool) -> None:
        """RFC 6749 4.1.1: with a login where there is no session."""
        browser, verifier = self.browsers[user], secrets.token_urlsafe(48)
        scope = "openid email offline_access" if offline else "openid email"
        digest = hashlib.sha256(verifier.encode()).digest()
        request = {
            "client_id": client,
            "redirect_uri": CALLBACKS[client],
            "response_type": "code",
            "scope": scope,
            "state": "s",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        page = browser.follow(browser.get(f"{self.outside.issuer}/authorize", params=request))
        assert ("Location" in page.headers) == (user in self.sessions)
        if user not in self.sessions:
            page = browser.log_in(page, user)
            self.sessions[user] = Session(self.now + A_YEAR)
        place, _, query = page.headers["Location"].partition("?")
        assert place == CALLBACKS[client]
        grant = Grant(client, user, scope, self.sessions[user], self.now)
        self.issue("code", dict(parse_qsl(query))["code"], grant, self.now + CODE, verifier=verifier)

    @rule(user=PEOPLE, client=st.sampled_from(APPS))
    def log_in(self, user: str, client: str) -> None:
        """All the way to tokens, so that there is something to play with."""
        self.authorize(user, client, True)
        code = self.model.issued[-1]
        status, answer = self.outside.ask("/token", client, proof_of(code))
        assert status == 200, answer
        self.receive_for(code, answer, self.now)

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def log_out(self, data: st.DataObject) -> None:
        """OpenID Connect Core 11: what has offline_access stays."""
        user = data.draw(st.sampled_from(sorted(self.sessions)))
        browser = self.browsers[user]
        question = browser.get("/auth/logout")
        token = question.text.partition('name="csrf_token" value="')[2].partition('"')[0]
        assert browser.post(urlsplit(question.url).path, {"csrf_token": token}).status_code == 303
        self.sessions.pop(user).ended = True

    @precondition(lambda self: self.outside.advance is not None)
    @rule(
        seconds=st.sampled_from(
            [5, 5, 5, 5, 5, 11, 11, 11, 11, 61, 61, 3601, *(86400 * days for days in (20, 31, 181))]
        )
    )
    def wait(self, seconds: float) -> None:
        assert self.outside.advance is not None
        self.outside.advance(seconds)
        self.sessions = {user: session for user, session in self.sessions.items() if self.now < session.ends_at}

    # Apps, and thieves

    @precondition(lambda self: self.model.of("code"))
    @rule(data=st.data(), wrong=st.sampled_from(["", *WRONG]), thief=THIEVES)
    def exchange(self, data: st.DataObject, wrong: str, thief: str | None) -> None:
        """A code of anybody's, by anybody."""
        self.check_exchange(self.pick(data, "code"), wrong, thief)

    @rule(user=PEOPLE, client=st.sampled_from(APPS), offline=st.booleans(), wrong=st.sampled_from(WRONG))
    def fail_to_prove(self, user: str, client: str, offline: bool, wrong: str) -> None:
        """RFC 7636 4.6: and then try to do better."""
        self.authorize(user, client, offline)
        self.check_exchange(self.model.issued[-1], wrong, None)
        self.check_exchange(self.model.issued[-1], "", None)

    @rule(user=PEOPLE, client=st.sampled_from(APPS), thief=st.sampled_from(APPS))
    def steal(self, user: str, client: str, thief: str) -> None:
        """RFC 6749 10.4, 10.5: what is fresh, with all that belongs to it, before its owner comes."""
        self.authorize(user, client, True)
        code = self.model.issued[-1]
        self.check_exchange(code, "", thief)
        self.check_exchange(code, "", None)
        for refresh_token in self.model.of("refresh_token")[-1:]:
            self.check_refresh(refresh_token, thief)

    def check_exchange(self, code: Issued, wrong: str, thief: str | None) -> None:
        """RFC 6749 4.1.2, 4.1.3, RFC 7636 4.6, RFC 9700 4.2.4: once, by its own client, with the right proof."""
        form = proof_of(code)
        if wrong:
            form |= {wrong.removeprefix("no "): "" if wrong.startswith("no ") else "x" * 43}
        client, now = thief or code.grant.client, self.now
        status, answer = self.outside.ask("/token", client, form)
        if client != code.grant.client or not code.known(now):
            assert (status, answer.get("error")) == INVALID_GRANT
            if code.usable(now) and not wrong:
                self.came_to_pass.add("somebody else had a code")
        elif code.spent_at is not None:
            assert (status, answer.get("error")) == INVALID_GRANT
            code.grant.revoked = True
            self.came_to_pass.add("a code was used twice")
        elif wrong:
            assert (status, answer.get("error")) == INVALID_GRANT
            self.came_to_pass.add("a code was spent without its proof")
            code.spent_at, code.kept_until = now, code.expires_at
        else:
            assert status == 200, answer
            self.receive_for(code, answer, now)

    def receive_for(self, code: Issued, answer: dict[str, Any], now: float) -> None:
        code.spent_at = now
        code.kept_until = code.grant.granted_at + ABSOLUTE if code.grant.offline else now + ACCESS
        self.receive(answer, code.grant, now)

    @precondition(lambda self: self.model.of("refresh_token"))
    @rule(data=st.data(), thief=THIEVES)
    def refresh(self, data: st.DataObject, thief: str | None) -> None:
        """A refresh token of anybody's, by anybody."""
        self.check_refresh(self.pick(data, "refresh_token"), thief)

    @precondition(lambda self: self.model.spent(self.now))
    @rule(data=st.data(), late=st.booleans())
    def use_again(self, data: st.DataObject, late: bool) -> None:
        """What has been used and is remembered, by its own client, within the grace or after it."""
        spent = self.model.spent(self.now)
        tokens = [each for each in spent if each.kind == "refresh_token"]
        issued = data.draw(st.sampled_from(tokens[-2:] or spent) | st.sampled_from(spent))
        if late and self.outside.advance is not None:
            self.wait(GRACE + 1)
        if issued.kind == "code":
            self.check_exchange(issued, "", None)
        else:
            self.check_refresh(issued, None)

    def check_refresh(self, token: Issued, thief: str | None) -> None:
        """RFC 9700 4.14.2: used once; again within the grace it gives the same successor, and else ends the grant."""
        client, now = thief or token.grant.client, self.now
        status, answer = self.outside.ask(
            "/token", client, {"grant_type": "refresh_token", "refresh_token": token.value}
        )
        if client != token.grant.client or not token.known(now):
            assert (status, answer.get("error")) == INVALID_GRANT
            if token.usable(now):
                self.came_to_pass.add("somebody else had a refresh token")
            return
        if token.spent_at is None:
            assert status == 200, answer
            token.successor = self.receive(answer, token.grant, now)
            token.spent_at = now
            token.kept_until = max(now + ACCESS, token.successor.expires_at)
            return
        assert token.successor is not None
        if now - token.spent_at <= GRACE and token.successor.usable(now):
            assert status == 200, answer
            assert answer["refresh_token"] == token.successor.value
            self.issue("access_token", answer["access_token"], token.grant, now + ACCESS)
            self.came_to_pass.add("a client got the same successor again")
        else:
            assert (status, answer.get("error")) == INVALID_GRANT
            token.grant.revoked = True
            self.came_to_pass.add("a refresh token was used twice")

    def receive(self, answer: dict[str, Any], grant: Grant, now: float) -> Any:
        """Note what a token response has; answers its refresh token."""
        assert set(answer) - {"refresh_token"} == {"access_token", "token_type", "expires_in", "scope", "id_token"}
        assert answer["scope"] == grant.scope
        assert ("refresh_token" in answer) == grant.offline
        self.issue("access_token", answer["access_token"], grant, now + ACCESS)
        if not grant.offline:
            return None
        ends = min(now + REFRESH, grant.granted_at + ABSOLUTE)
        return self.issue("refresh_token", answer["refresh_token"], grant, ends)

    @precondition(lambda self: self.model.issued)
    @rule(data=st.data(), kind=KINDS, secret=st.sampled_from([None, "", "x", "app-secret "]))
    def pretend(self, data: st.DataObject, kind: str, secret: str | None) -> None:
        """RFC 6749 2.3: whoever says that they are a client, and cannot prove it, learns and changes nothing."""
        issued = self.pick(data, "code", "access_token", "refresh_token")
        form = {"code": issued.value, "refresh_token": issued.value, "token": issued.value}
        grant_type = "refresh_token" if kind == "refresh_token" else "authorization_code"
        for path in ("/token", "/introspect", "/revoke"):
            told = self.outside.ask(path, "app", {"grant_type": grant_type, **form}, secret or "wrong")
            assert (told[0], told[1]["error"]) == (401, "invalid_client")

    @precondition(lambda self: self.model.of("access_token", "refresh_token"))
    @rule(data=st.data(), client=st.sampled_from([None, None, *APPS]), hint=HINTS)
    def revoke(self, data: st.DataObject, client: str | None, hint: str | None) -> None:
        """RFC 7009 2.1: one's own access token, or with a refresh token the whole grant; nothing of somebody else."""
        token, now = self.pick(data, "access_token", "refresh_token"), self.now
        client = client or token.grant.client
        form = {"token": token.value} | ({"token_type_hint": hint} if hint else {})
        assert self.outside.ask("/revoke", client, form) == (200, {})
        if client == token.grant.client and token.known(now):
            self.came_to_pass.add(f"{token.kind} revoked")
            if token.kind == "refresh_token":
                token.grant.revoked = True
            else:
                token.revoked = True

    @precondition(lambda self: self.model.issued)
    @rule(data=st.data(), client=st.sampled_from(["app", "app-post", "service"]), hint=HINTS)
    def introspect(self, data: st.DataObject, client: str, hint: str | None) -> None:
        """RFC 7662 2.2: exactly what the model says."""
        self.check_introspection(self.pick(data, "code", "access_token", "refresh_token"), client, hint)

    def check_introspection(self, issued: Issued, client: str, hint: str | None = None) -> None:
        form = {"token": issued.value} | ({"token_type_hint": hint} if hint else {})
        status, answer = self.outside.ask("/introspect", client, form)
        grant = issued.grant
        sees = client == grant.client or (client == "service" and issued.kind == "access_token")
        if issued.kind == "code" or not sees or not issued.usable(self.now):
            assert (status, answer) == (200, {"active": False})
            return
        assert (status, answer["active"], answer["client_id"]) == (200, True, grant.client)
        assert (answer["username"], answer["scope"]) == (grant.user, grant.scope)
        assert abs(answer["exp"] - int(issued.expires_at)) <= self.outside.slack
        assert self.model.subjects.setdefault(grant.user, answer["sub"]) == answer["sub"]

    @precondition(lambda self: self.model.issued)
    @rule(data=st.data())
    def use(self, data: st.DataObject) -> None:
        """RFC 6750 3.1, OpenID Connect Core 5.3: an access token that is alive opens userinfo; nothing else."""
        issued = self.pick(data, "code", "access_token", "refresh_token")
        status, answer = self.outside.userinfo(issued.value)
        if issued.kind == "access_token" and issued.usable(self.now):
            assert status == 200
            assert self.model.subjects.setdefault(issued.grant.user, answer["sub"]) == answer["sub"]
            assert answer["email"].startswith(issued.grant.user)
        else:
            assert (status, answer["error"]) == (401, "invalid_token")

    def teardown(self) -> None:
        """In the end everything is as the model says."""
        for issued in self.model.issued[-30:] if hasattr(self, "model") else []:
            self.check_introspection(issued, "service" if issued.kind == "access_token" else "app")
        assert len(set(self.model.subjects.values())) == len(self.model.subjects)


def play(outside: Any, examples: int, steps: int, *, long: bool) -> set[str]:
    """Play it so often; answers what came to pass."""
    play = type("Play", (Play,), {"outside": outside, "came_to_pass": set()})
    run_state_machine_as_test(
        play,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=not long,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return play.came_to_pass


def test_whatever_is_done_in_any_order_is_answered_as_the_model_says(in_process: Any) -> None:
    """Issue 4, garbage; RFC 6749 10, RFC 9700."""
    assert play(in_process, 14, 100, long=False) == {
        "a code was used twice",
        "a code was spent without its proof",
        "a client got the same successor again",
        "a refresh token was used twice",
        "somebody else had a code",
        "somebody else had a refresh token",
        "access_token revoked",
        "refresh_token revoked",
    }


def test_so_it_is_over_http(over_http: Any) -> None:
    """DESIGN, Tests: over real HTTP against a started server."""
    play(over_http, 2, 60, long=False)


@pytest.mark.long
def test_so_it_is_when_much_more_is_done(in_process: Any) -> None:
    play(in_process, 120, 200, long=True)


@pytest.mark.long
def test_so_it_is_when_much_more_is_done_over_http(over_http: Any) -> None:
    play(over_http, 30, 100, long=True)
