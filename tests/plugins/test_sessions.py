"""The plugin `sessions` from inside: what it keeps, when it writes, and what only shows with the provider at hand."""

import dataclasses
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from creance.plugins.sessions import Sessions, session_store
from creance.plugins.sessions.session_store import SESSIONS, Session, SessionStore
from creance.provider import ConfigurationError, OpenIDProvider, User, read_settings
from creance.provider.endpoints import origin_of
from creance.provider.store import Conflict, Operation, Store, StoreUnavailable, bearer_key, make_store, replace
from creance.provider.testing.relying_party import forms_of

from ..earlier_values import as_issued_earlier
from ..set_cookies import set_cookies
from .served import CONFIGURATION, REQUEST, Served, serving

ALICE = User("alice", "alices-subject", {})


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with serving(tmp_path, "https://id.example.org") as here:
        monkeypatch.setattr(here.provider, "happened", here.events.append)
        yield here


# ----- Settings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "mistake"),
    [
        ("idle_timeout = 7200\nabsolute_timeout = 3600", "idle_timeout is longer than absolute_timeout"),
        ("idle_timeout = 0", "plugins.sessions.idle_timeout"),
        ("absolute_timeout = -1", "plugins.sessions.absolute_timeout"),
        ("idle_timout = 60", "did you mean 'idle_timeout'"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, lines: str, mistake: str) -> None:
    path = tmp_path / "creance.toml"
    path.write_text(CONFIGURATION.replace("ISSUER", "https://id.example.org") + lines)
    with pytest.raises(ConfigurationError, match=mistake):
        OpenIDProvider.from_config(read_settings(path))


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://id.example.org", "https://id.example.org"),
        ("https://id.example.org:443/op", "https://id.example.org"),
        ("https://id.example.org:8443/op", "https://id.example.org:8443"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:8400", "http://localhost:8400"),
        ("http://[::1]:8400/a/b", "http://[::1]:8400"),
        ("https://ID.Example.ORG", "https://id.example.org"),
    ],
)
def test_an_origin_as_browsers_write_it(url: str, origin: str) -> None:
    """RFC 6454 6.2."""
    assert origin_of(url) == origin


# ----- The store -----------------------------------------------------------------------------------------------------


class Clock:
    """Stands for the module `time` in the session store."""

    def __init__(self) -> None:
        self.now = time.time()

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(session_store, "time", clock)
    return clock


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = make_store("sqlite:sessions.db", folder=tmp_path, timeout=2.5)
    store.open([SESSIONS])
    yield store
    store.close()


def read(sessions: SessionStore, session_id: str) -> Session:
    session = sessions.read(session_id)
    assert session is not None
    return session


def test_a_use_is_written_once_a_minute(store: Store, clock: Clock) -> None:
    """Sliding expiry: many requests, one write a minute."""
    sessions = SessionStore(store, idle_timeout=1800, absolute_timeout=43200)
    session_id = sessions.begin(ALICE, ("pwd",))
    versions = []
    for _ in range(13):
        sessions.touch(read(sessions, session_id))
        versions.append(read(sessions, session_id).document.version)
        clock.now += 10
    assert len(set(versions)) == 3
    assert read(sessions, session_id).last_seen == pytest.approx(clock.now - 10, abs=0.01)
    assert read(sessions, session_id).expires_at == pytest.approx(clock.now - 10 + 1800, abs=0.01)


def test_a_short_idle_timeout_slides_too(store: Store, clock: Clock) -> None:
    sessions = SessionStore(store, idle_timeout=20, absolute_timeout=43200)
    session_id = sessions.begin(ALICE, ("pwd",))
    for _ in range(20):
        clock.now += 8
        sessions.touch(read(sessions, session_id))
    clock.now += 19
    assert sessions.read(session_id) is not None
    clock.now += 2
    assert sessions.read(session_id) is None


def test_the_absolute_end_does_not_slide(store: Store, clock: Clock) -> None:
    sessions = SessionStore(store, idle_timeout=600, absolute_timeout=3600)
    session_id = sessions.begin(ALICE, ("pwd",))
    end = clock.now + 3600
    while clock.now + 300 < end:
        clock.now += 300
        sessions.touch(read(sessions, session_id))
    assert read(sessions, session_id).expires_at == pytest.approx(end, abs=0.01)
    clock.now = end + 1
    assert sessions.read(session_id) is None


def test_a_timeout_that_was_shortened_holds_at_once(store: Store, clock: Clock) -> None:
    session_id = SessionStore(store, 1800, 43200).begin(ALICE, ("pwd",))
    clock.now += 100
    assert SessionStore(store, 60, 43200).read(session_id) is None
    assert SessionStore(store, 90, 90).read(session_id) is None
    assert SessionStore(store, 1800, 43200).read(session_id) is not None


def test_a_use_that_comes_second_is_no_error(store: Store, clock: Clock) -> None:
    """Two requests at once, or a logout in between: the loser writes nothing."""
    sessions = SessionStore(store, 1800, 43200)
    session_id = sessions.begin(ALICE, ("pwd",))
    session = read(sessions, session_id)
    clock.now += 61
    store.write([replace(SESSIONS, session.document, session.document.value | {"last_seen": clock.now - 1})])
    sessions.touch(session)
    assert read(sessions, session_id).last_seen == clock.now - 1
    clock.now += 61
    session = read(sessions, session_id)
    store.write([sessions.ending(session.sid)])
    sessions.touch(session)
    assert sessions.read(session_id) is None
    with pytest.raises(Conflict):
        store.write([replace(SESSIONS, session.document, {})])


def test_ids_are_long_and_kept_as_hashes(store: Store) -> None:
    """256 bits, SHA-256; neither the id nor anything that opens the session is in the document."""
    sessions = SessionStore(store, 1800, 43200)
    ids = {sessions.begin(ALICE, ("pwd",)) for _ in range(50)}
    assert len(ids) == 50
    assert all(re.fullmatch(r"[0-9a-f]{8}-[\w-]{43}", session_id) for session_id in ids)
    documents = store.page(SESSIONS)
    assert {document.key for document in documents} == {bearer_key(session_id) for session_id in ids}
    assert not any(session_id in repr(document) for session_id in ids for document in documents)
    assert len({document.value["sid"] for document in documents}) == 50


def test_a_session_of_an_earlier_version_goes_on(served: Served) -> None:
    """performance.md, Growth: one whose id has no time in front; until it is logged out."""
    served.log_in()
    (name,) = (name for name in served.cookies if name.endswith("_session"))
    before, dated = served.session(), served.session_id
    served.cookies[name] = as_issued_earlier(served.provider.store, SESSIONS, dated)
    assert before is not None
    assert served.session() == before
    assert "code=" in served.get("/authorize", **REQUEST).headers["Location"]
    earlier = dict(served.cookies)
    served.log_out()
    served.cookies = earlier
    assert served.session() is None


def test_the_next_login_takes_the_place_of_the_one_before(store: Store) -> None:
    sessions = SessionStore(store, 1800, 43200)
    first = sessions.begin(ALICE, ("pwd",))
    previous = read(sessions, first)
    second = sessions.begin(ALICE, ("pwd",), previous)
    assert sessions.read(first) is None
    assert read(sessions, second).sid == previous.sid
    assert [document.value["username"] for document in store.find(SESSIONS, "sid", previous.sid)] == ["alice"]


# ----- With a provider -----------------------------------------------------------------------------------------------


def test_cookies_on_https_exactly(served: Served) -> None:
    """RFC 6265bis 4.1.3.2: `__Host-` and Secure keep neighbours and the open network away, also when it is removed."""
    visit = served.get("/auth/login").headers["Set-Cookie"]
    done = served.log_in().headers["Set-Cookie"]
    _, form = forms_of(served.get("/auth/logout").text)[0]
    gone = served.send("POST", "/auth/logout", data=form).headers["Set-Cookie"]
    name = r"__Host-creance_[0-9a-f]{8}_"
    assert re.fullmatch(name + r"visit=[\w-]{43}; HttpOnly; Path=/; SameSite=Lax; Secure", visit)
    device, _, session = done.partition(", ")
    assert re.fullmatch(
        name + r"device=\d+\.[\w-]{22}\.[\w-]{43}; HttpOnly; Max-Age=31536000; Path=/; SameSite=Lax; Secure", device
    )
    assert re.fullmatch(name + r"session=[0-9a-f]{8}-[\w-]{43}; HttpOnly; Path=/; SameSite=Lax; Secure", session)
    assert re.fullmatch(
        name + r'session=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Path=/; SameSite=Lax; Secure', gone
    )


def test_events_tell_what_happened(served: Served) -> None:
    """login, login_failed, logout: with the app, and never with what was typed in vain."""
    to_login = served.get("/authorize", **REQUEST).headers["Location"]
    served.log_in("alice", "wrong", to_login)
    served.log_in("nobody", "wrong", "/auth/login")
    served.log_in("alice", "wonderland", to_login)
    served.log_in("bob", "builder", served.get("/authorize", **REQUEST, prompt="login").headers["Location"])
    _, form = forms_of(served.get("/auth/logout").text)[0]
    for _ in range(2):
        served.send("POST", "/auth/logout", data=form)
    assert [(event.name, event.client_id, event.username) for event in served.events] == [
        ("login_failed", "app", None),
        ("login_failed", None, None),
        ("login", "app", "alice"),
        ("logout", None, "alice"),
        ("login", "app", "bob"),
        ("logout", None, "bob"),
    ]


def disabled(user: User) -> User | None:
    return dataclasses.replace(user, disabled=True)


def gone(user: User) -> User | None:
    return None


def somebody_else(user: User) -> User | None:
    return dataclasses.replace(user, subject="another-subject")


@pytest.mark.parametrize("change", [disabled, gone, somebody_else])
def test_the_session_of_a_user_who_is_no_more(
    served: Served, monkeypatch: pytest.MonkeyPatch, change: Callable[[User], User | None]
) -> None:
    """A disabled or removed user has no session, nor has who got their name since."""
    served.log_in()
    assert served.get("/auth/session").status_code == 200
    find = served.provider.users.find

    def changed(username: str) -> User | None:
        user = find(username)
        return change(user) if user else None

    monkeypatch.setattr(served.provider.users, "find", changed)
    assert served.get("/auth/session").status_code == 401
    assert "/auth/login?" in served.get("/authorize", **REQUEST).headers["Location"]
    assert "error=login_required" in served.get("/authorize", **REQUEST, prompt="none").headers["Location"]
    assert "You are logged out" in served.get("/auth/logout").text
    if change is not somebody_else:
        assert "is not right" in served.log_in().text


def test_prompt_none_does_no_work_for_a_page(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> str:
        raise AssertionError("sealed for a page that is not shown")

    monkeypatch.setattr(served.provider.visits, "seal", never)
    response = served.get("/authorize", **REQUEST, prompt="none")
    assert "error=login_required" in response.headers["Location"]
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("remember", ["", "yes"])
def test_a_password_that_is_changed_while_it_is_looked_at(
    served: Served, monkeypatch: pytest.MonkeyPatch, remember: str
) -> None:
    """docs/account.md, Password: a login by the old one that is on its way gives no session, and leaves none behind."""
    provider = served.provider
    provider.users.create_user("carol", "the old password", {})
    verify = provider.users.passwords.verify

    def slowly(password: str, kept: str | None) -> bool:
        right = verify(password, kept)
        provider.users.set_password("carol", "the new password")
        assert provider.browser_sessions is not None
        assert provider.browser_sessions.end_all("carol") == 0
        return right

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(provider.users.passwords, "verify", slowly)
        refused = served.log_in("carol", "the old password", remember=remember)
    assert refused.status_code == 200
    assert "is not right" in refused.text
    assert set_cookies(refused).keys().isdisjoint({"session", "remember"})
    assert served.session() is None
    assert served.documents() == []
    assert [event.name for event in served.events] == ["login_failed"]
    assert served.log_in("carol", "the new password", remember=remember).status_code == 303


def test_who_is_disabled_elsewhere_cannot_log_in_from_then_on(served: Served, tmp_path: Path) -> None:
    """creance users disable: nothing is begun by a worker that has not heard of it yet, to come back with `enable`."""
    served.provider.users.create_user("carol", "a password", {})
    assert served.log_in("carol", "a password").status_code == 303, "this worker remembers her now"
    elsewhere = OpenIDProvider.from_config(tmp_path / "creance.toml")
    elsewhere.start()
    try:
        elsewhere.users.disable("carol")
        assert elsewhere.browser_sessions is not None
        elsewhere.browser_sessions.end_all("carol")
        refused = served.log_in("carol", "a password", remember="yes")
        assert refused.status_code == 200
        elsewhere.users.enable("carol")
        assert served.documents() == []
        assert served.session() is None
    finally:
        elsewhere.stop()


def test_when_all_places_for_hashing_are_taken(served: Served) -> None:
    """RFC 9110 15.6.4: 503 with Retry-After, at once; the page keeps the name and the way on."""
    places = served.provider.users.passwords._places
    to_login = served.get("/authorize", **REQUEST).headers["Location"]
    taken = 0
    while places.acquire(blocking=False):
        taken += 1
    busy = served.log_in(url=to_login)
    for _ in range(taken):
        places.release()
    assert busy.status_code == 503
    assert int(busy.headers["Retry-After"]) > 0
    _, fields = forms_of(busy.text)[0]
    assert fields["username"] == "alice"
    again = served.send("POST", "/auth/login", data=fields | {"password": "wonderland"})
    assert again.headers["Location"].startswith("https://id.example.org/auth/resume?request=")
    assert served.events[-1].name == "login"


def test_when_the_store_does_not_answer(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is taken for logged out, nor in: 503, a page for people and JSON for scripts; then all is as before."""
    served.log_in()
    _, form = forms_of(served.get("/auth/logout").text)[0]

    def unreachable(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as outage:
        for method in ("get", "write", "delete_where"):
            outage.setattr(served.provider.store, method, unreachable)
        session = served.get("/auth/session")
        assert (session.status_code, session.json()["error"]) == (503, "temporarily_unavailable")
        for method in ("GET", "POST"):
            page = served.send(method, "/auth/logout", data=form if method == "POST" else None)
            assert page.status_code == 503
            assert page.headers["Content-Type"].startswith("text/html")
        assert "error=temporarily_unavailable" in served.get("/authorize", **REQUEST).headers["Location"]
    assert served.get("/auth/session").json()["username"] == "alice"


def test_a_logout_that_failed_half_way_can_be_repeated(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the session is there, what it gave can still be ended with it; and what apps got of it meanwhile."""
    served.log_in()
    _, form = forms_of(served.get("/auth/logout").text)[0]
    write = served.provider.store.write
    calls: list[list[str]] = []

    def breaks(operations: Sequence[Operation]) -> list[int | None]:
        calls.append([operation.collection.name for operation in operations])
        if len(calls) == 2:
            raise StoreUnavailable("gone")
        return write(operations)

    monkeypatch.setattr(served.provider.store, "write", breaks)
    assert served.send("POST", "/auth/logout", data=form).status_code == 503
    assert len(served.documents()) == 1
    assert served.send("POST", "/auth/logout", data=form).status_code == 303
    assert served.documents() == []
    tokens = ["authorization_codes", "refresh_tokens", "access_tokens"]
    assert calls[2:] == [tokens, ["remembered", "sessions"], tokens]


def test_the_document_of_a_session(served: Served) -> None:
    """What is kept is what the plugin says: no password, no cookie."""
    served.log_in()
    (document,) = served.documents()
    login = {"username", "subject", "sid", "auth_time", "amr", "created_at", "last_seen"}
    assert document.keys() == login | {"user_agent", "remote_address"}
    assert document["amr"] == ["pwd"]
    assert served.session_id not in repr(document)


def test_an_authorization_with_a_session_reads_it_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """One read for the session, one write for the code: the cost of an authorization with a live session."""
    served.log_in()
    calls: list[str] = []
    for method in ("get", "get_kept", "find", "write", "delete_where"):
        original = getattr(served.provider.store, method)

        def counted(*arguments: Any, original: Any = original, method: str = method, **named: Any) -> Any:
            calls.append(method)
            return original(*arguments, **named)

        monkeypatch.setattr(served.provider.store, method, counted)
    assert "code=" in served.get("/authorize", **REQUEST).headers["Location"]
    assert calls == ["get", "write"]


def test_an_issuer_with_a_path(tmp_path: Path) -> None:
    """The origin of a form is the issuer's without its path; pages and ways are under it."""
    with serving(tmp_path, "https://id.example.org/op") as here:
        assert isinstance(here.plugin, Sessions)
        here.base += "/op"
        page = here.get("/auth/login")
        action, fields = forms_of(page.text)[0]
        assert action == "https://id.example.org/op/auth/login"
        form = fields | {"username": "alice", "password": "wonderland"}
        for origin, status in (("https://id.example.org/op", 403), ("https://id.example.org", 303)):
            done = here.send("POST", "/auth/login", data=form, headers={"Origin": origin})
            assert done.status_code == status
        assert done.headers["Location"] == "https://id.example.org/op/auth/login"


def test_a_client_that_is_removed_while_its_user_types(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Client and redirect URI are proven again: nobody is sent to what is not registered any more."""
    to_login = served.get("/authorize", **REQUEST).headers["Location"]
    page = served.get(to_login)
    monkeypatch.setattr(served.provider.clients, "find", lambda client_id: None)
    _, fields = forms_of(page.text)[0]
    posted = served.send("POST", "/auth/login", data=fields | {"username": "alice", "password": "wonderland"})
    for answer in (served.get(to_login), posted):
        assert answer.status_code == 400
        assert "Location" not in answer.headers
        assert "Set-Cookie" not in answer.headers


def test_a_request_that_is_wrong_by_now_is_answered_to_the_app(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 6749 4.1.2.1: once the redirect URI is proven, an error goes to the app, not to the person."""
    to_login = served.get("/authorize", **REQUEST, prompt="login").headers["Location"]
    served.log_in()
    client = served.provider.clients.find("app")
    assert client is not None
    changed = dataclasses.replace(client, scope=("profile",))
    monkeypatch.setattr(served.provider.clients, "find", lambda client_id: changed)
    onward = served.get(to_login)
    assert onward.status_code == 303
    back = served.get(onward.headers["Location"])
    assert back.headers["Location"].startswith("https://app.example.org/callback?error=invalid_scope")
