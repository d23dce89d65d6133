"""Pages over HTTP: their language, their headers, the operator's theme, and what errors say to whom."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from creance.provider.endpoints.explanations import FOR_DEVELOPERS
from creance.provider.testing import RunningProvider

DOCUMENT = (Path(__file__).parents[2] / "docs" / "pages.md").read_text("utf-8")
CALLBACK = "http://localhost:8401/callback"
HOSTILE = '{{7919*7907}}<script>alert(1)</script>"><b>\u202egnp.exe'
CONFIGURATION = f"""
issuer = "ISSUER"
[http]
bind = "BIND"
[keys]
algorithms = ["ES256"]
[pages]
default_locale = "de"
links = {{ Privacy = "https://example.org/privacy", "<b>Map" = "https://example.org/?a=1&b=2" }}
[[clients]]
client_id = "hostile"
client_name = '''{HOSTILE}'''
client_secret = "secret-of-the-client"
redirect_uris = ["{CALLBACK}"]
[[users]]
username = "mallory"
password = "wonderland"
claims = {{ name = '''{HOSTILE}''', email = "mallory@example.org" }}
[plugins.sessions]
[plugins.consent]
[plugins.account]
"""


@pytest.fixture(scope="module")
def german(run_provider: Callable[..., RunningProvider]) -> RunningProvider:
    """A provider whose own language is German, with a client and a user whose names try things."""
    return run_provider(configuration=CONFIGURATION)


def lang_of(response: requests.Response) -> str:
    found = re.search(r'<html lang="([\w-]+)"', response.text)
    assert found
    assert response.headers["Content-Language"] == found[1]
    return found[1]


def request_to(provider: RunningProvider, client_id: str = "app", **changes: str) -> str:
    parameters, _ = provider.client(client_id, secret="secret-of-the-client").request(**changes)
    return f"/authorize?{urlencode(parameters)}"


# ----- Language ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept_language", "language", "text"),
    [
        ("de-AT, en;q=0.5", "de", "Anmelden"),
        ("en, de;q=0.5", "en", "Log in"),
        ("tlh", "en", "Log in"),
        (None, "en", "Log in"),
        ("\xff;q=x,,", "en", "Log in"),
    ],
)
def test_a_page_is_in_the_language_of_the_browser(
    op: RunningProvider, accept_language: str | None, language: str, text: str
) -> None:
    """RFC 9110 12.5.4, 12.5.5; HTML 3.2.6.1 (lang)."""
    page = op.get("/auth/login", headers={"Accept-Language": accept_language})
    assert lang_of(page) == language
    assert f"<h1>{text}</h1>" in page.text
    assert "Accept-Language" in page.headers["Vary"]


@pytest.mark.parametrize(
    ("ui_locales", "language"), [("fr-CA de", "de"), ("en de", "en"), ("fr", "en"), ("\r\n;", "en")]
)
def test_the_app_chooses_the_language_before_the_browser(op: RunningProvider, ui_locales: str, language: str) -> None:
    """OpenID Connect Core 3.1.2.1: and no error where its languages are not supported."""
    browser = op.browser()
    page = browser.follow(browser.get(request_to(op, ui_locales=ui_locales), headers={"Accept-Language": "en"}))
    assert page.status_code == 200
    assert lang_of(page) == language


def test_an_error_is_in_the_language_that_the_app_asked_for(op: RunningProvider) -> None:
    """OpenID Connect Core 3.1.2.1: it was asked before anything was wrong."""
    page = op.get("/authorize", params={"ui_locales": "de"}, headers={"Accept-Language": "en"})
    assert lang_of(page) == "de"
    assert "Die App hat einen Fehler gemacht" in page.text
    assert "Vary" not in page.headers


def test_what_a_person_did_wrong_is_said_in_their_language(op: RunningProvider) -> None:
    """WCAG 2.2, 3.1.1, 3.3.1: texts that come from code are translated too."""
    browser = op.browser()
    browser.http.headers["Accept-Language"] = "de"
    page = browser.log_in(browser.get("/auth/login"), "alice", "wrong")
    assert "Der Benutzername oder das Passwort stimmt nicht." in page.text


def test_the_operator_chooses_the_language_for_everybody_else(german: RunningProvider) -> None:
    """RFC 4647 3.4: the default of the lookup."""
    assert lang_of(german.get("/", headers={"Accept-Language": "fr"})) == "de"
    assert lang_of(german.get("/", headers={"Accept-Language": "fr, en"})) == "en"


def test_discovery_says_which_languages_there_are(op: RunningProvider) -> None:
    """OpenID Connect Discovery 1.0, 3."""
    assert op.get("/.well-known/openid-configuration").json()["ui_locales_supported"] == ["en", "de"]


# ----- Somebody else's texts -----------------------------------------------------------------------------------------


def test_names_of_clients_and_people_stay_text(german: RunningProvider) -> None:
    """OWASP, XSS and template injection; UAX #9, 2.7: what is turned around stays within itself."""
    browser = german.browser()
    login = browser.follow(browser.get(request_to(german, "hostile", scope="openid", prompt="consent")))
    consent = browser.log_in(login, "mallory", "wonderland")
    account = browser.get("/account")
    for page in (login, consent, account):
        assert page.status_code == 200
        assert html.escape(HOSTILE).replace("&quot;", "&#34;") in page.text
        assert not re.search(r"<script|<b>|62615533", re.sub(r'value="[^"]*"', "", page.text))
        for found in re.finditer("\u202e", page.text):
            assert page.text.rfind("<bdi", 0, found.start()) > page.text.rfind("</bdi>", 0, found.start())


def test_links_of_the_operator_are_below_every_page(german: RunningProvider) -> None:
    """HTML 13.3: escaped like all values; the usual ones are translated."""
    for path in ("/", "/auth/login", "/nothing", "/authorize"):
        page = german.get(path, headers={"Accept": "text/html"})
        assert '<a href="https://example.org/privacy">Datenschutz</a>' in page.text
        assert '<a href="https://example.org/?a=1&amp;b=2">&lt;b&gt;Map</a>' in page.text


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "//example.org", "privacy.html", "https://"]
)
def test_a_link_that_is_none_stops_the_start(make_settings: Callable[..., Any], link: str) -> None:
    """RFC 3986 4.3: with its scheme, and one that runs nothing."""
    with pytest.raises(ValueError, match=r"pages\.links"):
        make_settings(pages={"links": {"Privacy": link}})


@pytest.mark.parametrize("name", ["ui_locales", "client_id", "redirect_uri", "state", "x"])
def test_nothing_that_is_sent_becomes_a_header(op: RunningProvider, name: str) -> None:
    """RFC 9110 5.5, 17.11: no line ends where somebody else says."""
    page = op.get("/authorize", params={name: "de\r\nX-Injected: 1\r\nSet-Cookie: a=b"})
    assert page.status_code == 400
    assert "X-Injected" not in page.headers
    assert "Set-Cookie" not in page.headers


# ----- Headers -------------------------------------------------------------------------------------------------------


def test_a_page_has_the_headers_that_the_document_says(op: RunningProvider) -> None:
    """Content Security Policy 3, Fetch 3.7 (CORP), RFC 9700 4.16: docs/pages.md, row by row."""
    rows = re.findall(r"^\| ([A-Z][\w-]+) \| `([^`]+)` \|", DOCUMENT, re.MULTILINE)
    told = {name: value for name, value in rows if name != "Strict-Transport-Security"}
    assert len(told) == 6
    for path in ("/", "/auth/login", "/authorize", "/nothing", "/auth/logout"):
        page = op.get(path, headers={"Accept": "text/html"})
        assert {name: page.headers[name] for name in told} == told
        assert "Cross-Origin-Opener-Policy" not in page.headers, "a login in a window of its own hears from it"


def test_only_pages_have_the_headers_of_pages(op: RunningProvider) -> None:
    """RFC 9110 8.5: JSON has no language, and scripts of other sites may read discovery."""
    for path in ("/.well-known/openid-configuration", "/jwks", "/userinfo", "/nothing"):
        headers = op.get(path).headers
        assert not {"Content-Language", "Cross-Origin-Resource-Policy", "Content-Security-Policy"} & {*headers}


@pytest.mark.parametrize(("which", "kind"), [("stylesheet", "text/css; charset=utf-8"), ("icon", "image/svg+xml")])
def test_what_a_page_is_made_of_is_kept_for_as_long_as_it_is_the_same(
    op: RunningProvider, which: str, kind: str
) -> None:
    """RFC 8246: its address names its digest. RFC 9111 5.2.2: under any other digest it is not kept for long."""
    found = re.search(rf'<link rel="{which}" href="([^"]+)"', op.get("/auth/login").text)
    assert found
    assert found[1].startswith(op.issuer)
    asset = requests.get(found[1], timeout=30)
    assert asset.status_code == 200
    assert asset.headers["Content-Type"] == kind
    assert asset.headers["X-Content-Type-Options"] == "nosniff"
    assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    other = requests.get(found[1][:-1] + ("0" if found[1][-1] != "0" else "1"), timeout=30)
    assert other.content == asset.content
    assert other.headers["Cache-Control"] == "public, max-age=300"


def test_a_logo_that_is_opened_by_itself_runs_nothing(op: RunningProvider) -> None:
    """SVG 2, 2.1.2; Content Security Policy 3, 6.3.2 (sandbox)."""
    assert op.get("/auth/logo").headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


# ----- Errors --------------------------------------------------------------------------------------------------------

ERRORS: dict[str, tuple[str, dict[str, str], int, str]] = {
    "no client_id": ("/authorize", {}, 400, "client_id is missing"),
    "unknown client": (
        "/authorize",
        {"client_id": "nobody-knows-me"},
        400,
        "client_id is not that of a client of this provider",
    ),
    "no redirect_uri": ("/authorize", {"client_id": "app", "scope": "openid"}, 400, "redirect_uri is missing"),
    "another redirect_uri": (
        "/authorize",
        {"client_id": "app", "redirect_uri": "https://evil.example/call-now-0800"},
        400,
        "redirect_uri is not registered for this client",
    ),
    "client_id twice": ("/authorize?client_id=app&client_id=app", {}, 400, "client_id is there more than once"),
}


@pytest.mark.parametrize("which", ERRORS)
def test_a_mistake_of_the_app_is_explained_to_its_developer(op: RunningProvider, which: str) -> None:
    """RFC 6749 3.1.2.4, 4.1.2.1: the person is told, and not sent on; nothing that was sent is repeated as if it were
    ours, and nothing of other clients is told.
    """
    path, parameters, status, description = ERRORS[which]
    page = op.get(path, params=parameters)
    assert page.status_code == status
    assert "<title>The app made a mistake" in page.text
    assert 'role="alert"' in page.text
    assert description in page.text
    assert html.escape(FOR_DEVELOPERS[description]) in page.text
    assert "<code>invalid_request</code>" in page.text
    assert page.headers["X-Request-Id"] in page.text
    assert op.issuer in page.text
    for foreign in ("nobody-knows-me", "evil.example", "call-now", CALLBACK, "Demo app"):
        assert foreign not in page.text


def test_each_mistake_that_nobody_can_be_sent_on_from_is_explained() -> None:
    """RFC 6749 4.1.2.1: whoever raises it with another text writes down the remedy too."""
    source = (Path(__file__).parents[2] / "provider" / "authorization_request.py").read_text("utf-8")
    raised = re.findall(r'raise UnprovenRedirect\("([^"]+)"\)', source)
    assert len(raised) >= 4
    assert set(raised) <= set(FOR_DEVELOPERS)


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "title"),
    [
        ("GET", "/nothing", {}, 404, "There is no such page"),
        ("PUT", "/auth/login", {}, 405, "This page cannot be opened like this"),
        ("POST", "/auth/login", {"data": {"username": "x" * 70_000}}, 413, "This was too long"),
        ("GET", "/authorize?x=" + "x" * 17_000, {}, 414, "This was too long"),
        ("POST", "/auth/login", {"json": {}}, 415, "This did not work"),
        ("GET", "/auth/resume?request=x", {}, 400, "Please start again"),
    ],
)
def test_every_error_of_a_page_says_what_to_do(
    op: RunningProvider, method: str, path: str, options: dict[str, Any], status: int, title: str
) -> None:
    """RFC 9110 15.5; WCAG 2.2, 2.4.2, 3.3.3: a title that says what happened, a remedy, the number of the request."""
    headers = {"Accept": "text/html", "Accept-Language": "en"}
    page = requests.request(method, op.url(path), headers=headers, timeout=30, **options)
    assert page.status_code == status
    assert f"<title>{title}" in page.text
    assert f"<h1>{title}</h1>" in page.text
    assert page.text.count("<main>") == page.text.count("<h1>") == 1
    assert page.headers["X-Request-Id"] in page.text


# ----- A theme -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def meadow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProvider]:
    """The provider of the example in docs/pages.md, its files as they stand there."""
    folder = tmp_path_factory.mktemp("meadow")
    files = re.findall(r"^`(theme/[\w./]+)`[^`]*?(?:`[^`\n]*`[^`]*?)*?\n\n```\w+\n(.*?)```", DOCUMENT, re.M | re.S)
    assert [name for name, _ in files] == ["theme/logo.svg", "theme/style.css", "theme/texts/en.po", "theme/login.html"]
    for name, content in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, "utf-8")
    pages = re.search(r"```toml\n(\[pages\].*?)```", DOCUMENT, re.DOTALL)
    assert pages
    with RunningProvider(folder, extra=pages[1]) as provider:
        yield provider


def test_the_theme_of_the_document(meadow: RunningProvider) -> None:
    """Issue 4, item 10: logo, colours, texts and templates by a folder."""
    page = meadow.get("/auth/login")
    assert "<h1>Enter the meadow</h1>" in page.text
    assert "New here? Ask at the gate." in page.text
    assert 'name="csrf_token"' in page.text, "the form is ours"
    assert '<a href="mailto:help@meadow.example">Help</a>' in page.text
    logo = re.search(r'<img class="logo" src="([^"]+)" alt="Meadow">', page.text)
    assert logo
    assert b"#2e7d4f" in requests.get(logo[1], timeout=30).content
    stylesheet = re.search(r'<link rel="stylesheet" href="([^"]+)"', page.text)
    assert stylesheet
    css = requests.get(stylesheet[1], timeout=30).text
    assert css.index("--accent: #1f6b40") > css.index("--accent: #1a56b0"), "the theme has the last word"


def test_a_theme_changes_the_texts_of_one_language_only(meadow: RunningProvider) -> None:
    """GNU gettext: what a catalogue does not have is looked up behind it."""
    page = meadow.get("/auth/login", headers={"Accept-Language": "de"})
    assert "<h1>Anmelden</h1>" in page.text
    assert "Benutzername" in page.text


def test_a_theme_changes_no_header(meadow: RunningProvider, op: RunningProvider) -> None:
    """Content Security Policy 3, 4.2: the policy is in a header, and templates are below it."""
    policies = {provider.get("/auth/login").headers["Content-Security-Policy"] for provider in (meadow, op)}
    assert len(policies) == 1


def test_another_theme_has_other_addresses(meadow: RunningProvider, op: RunningProvider) -> None:
    """RFC 8246: so that no browser shows the old one."""
    digests = {match for provider in (meadow, op) for match in re.findall(r"\?v=(\w+)", provider.get("/").text)}
    assert len(digests) == 4


# ----- Pages of a stranger's plugin ----------------------------------------------------------------------------------

STRANGER = {
    "greeter/__init__.py": """
from creance.provider import Endpoint, Plugin, PluginSettings, Resource, hookimpl, translatable

class Hello(Resource):
    templates = "greeter"
    for_people = True

    def on_get(self, req, resp):
        self.pages.answer(req, resp, "hello.html", who="<b>you</b>", mood=translatable("cheerful"), since=0)

class Greeter(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def endpoints(self):
        return [Endpoint("hello", "/hello", Hello())]
""",
    "greeter/templates/hello.html": """{% extends "base.html" %}
{% block content %}
<h1>{{ _("Hello %(who)s", who=who) }}</h1>
<p>{{ mood | translated }} {{ since | when }} {{ _("Log in") }}</p>
{% endblock %}
""",
    "greeter/locales/de.po": """
msgid "Hello %(who)s"
msgstr "Hallo %(who)s"

msgid "cheerful"
msgstr "vergn\u00fcgt"
""",
    "greeter-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n",
    "greeter-1.0.dist-info/entry_points.txt": "[creance.plugins]\ngreeter = greeter:Greeter\n",
}


def test_a_strangers_plugin_brings_pages_and_texts(
    run_provider: Callable[..., RunningProvider], tmp_path: Path
) -> None:
    """docs/pages.md, "Pages of a plugin": by the same path as ours."""
    for name, content in STRANGER.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, "utf-8")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    provider = run_provider(environment={"PYTHONPATH": path}, extra="[plugins.greeter]")
    english, german = (provider.get("/hello", headers={"Accept-Language": tag}).text for tag in ("en", "de"))
    assert "<h1>Hello &lt;b&gt;you&lt;/b&gt;</h1>" in english
    assert "<h1>Hallo &lt;b&gt;you&lt;/b&gt;</h1>" in german
    assert re.search("vergn\u00fcgt <time [^>]*>1. Januar 1970</time> Anmelden", german)
