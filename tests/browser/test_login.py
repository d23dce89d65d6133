"""The pages of a login in a real browser: headless Chromium, driven by Selenium.

Without one these tests are skipped, or fail where REQUIRE_BROWSER=1 says that there must be one.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from creance.provider.testing import AuthorizationAnswer, RelyingParty, RunningProvider

HOW_TO_GET_ONE = "no browser to test with: apt-get install chromium chromium-driver, and pip install selenium"
SECRET = "browsers-secret"
TAB, ENTER = "\ue004", "\ue007"

CLIENTS = """
[[clients]]
client_id = "browsers"
client_name = "An app on another port"
client_secret = "browsers-secret"
redirect_uris = ["APP/callback"]

[[clients]]
client_id = "portal"
client_name = "A portal with quite a long name, that sends people on to one of its many applications elsewhere"
client_secret = "browsers-secret"
redirect_uris = ["APP/portal"]
"""

CONTRASTS = """
const channel = c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
const parse = text => text.match(/[\\d.]+/g).map(Number);
const luminance = rgb => .2126 * channel(rgb[0]) + .7152 * channel(rgb[1]) + .0722 * channel(rgb[2]);
const ground = element => {
  for (; element; element = element.parentElement) {
    const rgb = parse(getComputedStyle(element).backgroundColor);
    if (rgb.length === 3 || rgb[3] > 0) return rgb;
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll("h1, p, label, input:not([type=hidden]), button, a, bdi, code")].map(element => {
  const pair = [luminance(parse(getComputedStyle(element).color)), luminance(ground(element))];
  return [element.outerHTML.slice(0, 80), (Math.max(...pair) + .05) / (Math.min(...pair) + .05)];
});
"""


def no_browser() -> NoReturn:
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(HOW_TO_GET_ONE)
    pytest.skip(HOW_TO_GET_ONE)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One Chromium for all tests."""
    try:
        from selenium import webdriver
    except ImportError:
        no_browser()
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        no_browser()
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--window-size=1000,800", "--lang=en"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    chromium = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    chromium.set_page_load_timeout(30)
    chromium.implicitly_wait(0)
    yield chromium
    chromium.quit()


class _App(BaseHTTPRequestHandler):
    """Shows what came back; `/portal` sends people on elsewhere; `/page` is whatever page a test has put there."""

    farther = ""
    page = ""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/portal":
            self.send_response(302)
            self.send_header("Location", f"{self.farther}/done?{urlsplit(self.path).query}")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write((_App.page if path == "/page" else "<title>At the app</title>").encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def places() -> Iterator[list[str]]:
    """Two web servers that are not the provider."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _App) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    urls = [f"http://localhost:{servers[0].server_port}", f"http://127.0.0.1:{servers[1].server_port}"]
    _App.farther = urls[1]
    yield urls
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def provider(chromium: Any, run_provider: Callable[..., RunningProvider], places: list[str]) -> RunningProvider:
    return run_provider(extra=CLIENTS.replace("APP", places[0]))


@pytest.fixture
def app(provider: RunningProvider, places: list[str]) -> RelyingParty:
    return provider.client("browsers", secret=SECRET, redirect_uri=f"{places[0]}/callback")


class Person:
    """Somebody at the browser."""

    def __init__(self, chromium: Any) -> None:
        self.chromium = chromium

    def open(self, app: RelyingParty, **changes: str | None) -> tuple[str, str]:
        """Go to the provider as the app sends them. Answers code_verifier and nonce."""
        parameters, verifier = app.request(**changes)
        self.chromium.get(f"{app.metadata['authorization_endpoint']}?{urlencode(parameters)}")
        return verifier, parameters["nonce"]

    def one(self, selector: str) -> Any:
        return self.chromium.find_element("css selector", selector)

    def type_and_submit(self, username: str, password: str) -> None:
        """By keyboard only, beginning where the page has put the focus."""
        if self.focused.get_attribute("name") == "username":
            self.focused.send_keys(username + TAB)
        self.leave(lambda: self.focused.send_keys(password + ENTER))

    def leave(self, act: Callable[[], None]) -> None:
        """Do what leads to another page, and wait until it is there."""
        from selenium.webdriver.support.expected_conditions import staleness_of

        page = self.one("html")
        act()
        self.wait_until(staleness_of(page))

    def wait_until(self, condition: Callable[[Any], bool]) -> None:
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver.support.wait import WebDriverWait

        # While one page gives way to another Chromium answers with errors of its own: ask again.
        waiting = WebDriverWait(self.chromium, 10, poll_frequency=0.02, ignored_exceptions=[WebDriverException])
        waiting.until(condition)

    @property
    def focused(self) -> Any:
        return self.chromium.switch_to.active_element

    @property
    def arrived(self) -> dict[str, str]:
        """What the app got."""
        return dict(parse_qsl(urlsplit(self.chromium.current_url).query))

    def at_the_app(self) -> bool:
        return self.chromium.title == "At the app"

    def violations(self) -> list[str]:
        """What the browser refused by the page's policy since it was last asked."""
        return [entry["message"] for entry in self.chromium.get_log("browser") if entry["source"] == "security"]


@pytest.fixture
def person(chromium: Any, provider: RunningProvider) -> Iterator[Person]:
    """Somebody whose browser has no cookies yet."""
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    chromium.get_log("browser")
    yield Person(chromium)
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_whole_way_by_keyboard(person: Person, app: RelyingParty, places: list[str]) -> None:
    """From the app to the login page and back to another port with a code: CSP form-action lets it go there."""
    verifier, nonce = person.open(app, state="mine")
    assert person.chromium.title == "Log in · Creance"
    assert person.one("main").text.count("An app on another port") == 1
    assert urlsplit(places[0]).netloc in person.one(".place").text
    person.type_and_submit("alice", "wonderland")
    assert person.at_the_app()
    assert person.arrived["state"] == "mine"
    assert person.violations() == []
    answer = AuthorizationAnswer(person.chromium.current_url, verifier, nonce, app.redirect_uri)
    assert app.verify(app.exchange(answer).id_token)["amr"] == ["pwd"]


def test_without_javascript(person: Person, app: RelyingParty) -> None:
    person.chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    person.open(app)
    person.one("#username").send_keys("alice")
    person.one("#password").send_keys("wonderland")
    person.leave(person.one("button").click)
    assert person.at_the_app()


def test_a_mistake_is_announced_and_mended(person: Person, app: RelyingParty) -> None:
    """The name is kept, the password is not, and the focus is where one goes on."""
    person.open(app)
    person.type_and_submit("alice", "wrong")
    assert "is not right" in person.one("[role=alert]").text
    assert person.chromium.title.startswith("Not logged in")
    assert person.one("#username").get_attribute("value") == "alice"
    assert person.one("#password").get_attribute("value") == ""
    assert person.focused.get_attribute("id") == "password"
    person.type_and_submit("alice", "wonderland")
    assert person.at_the_app()
    assert person.violations() == []


def test_the_second_visit_shows_no_page(person: Person, app: RelyingParty) -> None:
    person.open(app)
    person.type_and_submit("alice", "wonderland")
    person.open(app, state="second")
    assert person.at_the_app()
    assert person.arrived["state"] == "second"


def test_the_back_button(person: Person, app: RelyingParty) -> None:
    """Back from the app to the login page, which has nothing to ask any more: on to the app, never a dead end."""
    person.open(app, state="back")
    person.type_and_submit("alice", "wonderland")
    assert person.at_the_app()
    person.chromium.back()
    person.wait_until(lambda _: person.at_the_app())
    assert person.arrived["state"] == "back"


def test_a_double_click(person: Person, app: RelyingParty) -> None:
    from selenium.webdriver import ActionChains

    person.open(app, state="twice")
    person.one("#username").send_keys("alice")
    person.one("#password").send_keys("wonderland")
    ActionChains(person.chromium).double_click(person.one("button")).perform()
    person.wait_until(lambda _: person.at_the_app())
    assert person.arrived["state"] == "twice"


def test_two_tabs(person: Person, app: RelyingParty) -> None:
    """Each tab ends at its own app with its own state."""
    chromium = person.chromium
    person.open(app, state="first")
    first = chromium.current_window_handle
    chromium.switch_to.new_window("tab")
    try:
        person.open(app, state="second")
        person.type_and_submit("alice", "wonderland")
        assert person.arrived["state"] == "second"
    finally:
        chromium.close()
        chromium.switch_to.window(first)
    person.type_and_submit("alice", "wonderland")
    assert person.at_the_app()
    assert person.arrived["state"] == "first"


def test_logout(person: Person, provider: RunningProvider, app: RelyingParty) -> None:
    person.open(app)
    person.type_and_submit("bob", "builder")
    person.chromium.get(provider.url("/auth/logout"))
    assert "bob" in person.one("main").text
    person.leave(person.one("button").click)
    assert person.one("h1").text == "You are logged out"
    person.open(app)
    assert person.chromium.title == "Log in · Creance"
    assert person.violations() == []


def test_an_app_that_sends_people_on(person: Person, provider: RunningProvider, places: list[str]) -> None:
    """CSP form-action holds for the redirects after the form too, those of the app included."""
    portal = provider.client("portal", secret=SECRET, redirect_uri=f"{places[0]}/portal")
    person.open(portal)
    person.type_and_submit("alice", "wonderland")
    assert person.chromium.current_url.startswith(f"{places[1]}/done?")
    assert person.violations() == []


@pytest.mark.parametrize("path", ["/auth/login", "/auth/logout"])
def test_a_form_of_another_site(person: Person, provider: RunningProvider, places: list[str], path: str) -> None:
    """Login and logout CSRF as it is really done: a page elsewhere that sends a form by itself."""
    if path == "/auth/logout":
        person.chromium.get(provider.url("/auth/login"))
        person.type_and_submit("alice", "wonderland")
    _App.page = f"""<form method="post" action="{provider.url(path)}"><input name="username" value="bob">
        <input name="password" value="builder"></form><script>document.forms[0].submit()</script>"""
    person.chromium.get(f"{places[1]}/page")
    person.wait_until(lambda _: person.chromium.title.startswith("Nothing has happened"))
    person.chromium.get(provider.url("/auth/session"))
    session = person.one("body").text
    assert ('"alice"' if path == "/auth/logout" else "login_required") in session


def test_the_login_page_is_in_no_frame(person: Person, provider: RunningProvider, places: list[str]) -> None:
    """Clickjacking: CSP frame-ancestors 'none'."""
    _App.page = f'<iframe src="{provider.url("/auth/login")}"></iframe>'
    person.chromium.get(f"{places[0]}/page")
    person.chromium.switch_to.frame(person.one("iframe"))
    assert person.chromium.find_elements("css selector", "input") == []
    person.chromium.switch_to.default_content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read(person: Person, provider: RunningProvider, app: RelyingParty, scheme: str) -> None:
    """WCAG 2.2 1.4.3: a contrast of 4.5 at least, in both colour schemes, on every page."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    person.chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def check() -> None:
        poor = [(text, ratio) for text, ratio in person.chromium.execute_script(CONTRASTS) if ratio < 4.5]
        assert poor == []

    person.open(app)
    check()
    person.type_and_submit("alice", "wrong")
    check()
    person.type_and_submit("alice", "wonderland")
    for path in ("/auth/login", "/auth/logout", "/auth/login?request=x", "/"):
        person.chromium.get(provider.url(path))
        check()


def test_a_narrow_phone(person: Person, provider: RunningProvider, places: list[str]) -> None:
    """WCAG 2.2 1.4.10, 2.5.8: 320 pixels wide without scrolling sideways, and buttons that a finger hits."""
    metrics = {"width": 320, "height": 560, "deviceScaleFactor": 1, "mobile": True}
    person.chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    portal = provider.client("portal", secret=SECRET, redirect_uri=f"{places[0]}/portal")
    person.open(portal, login_hint="a-very-long-user-name-that-does-not-end@" + "department." * 8 + "example.org")
    assert person.chromium.execute_script("return document.documentElement.scrollWidth") <= 320
    for selector in ("#username", "#password", "button"):
        assert person.one(selector).size["height"] >= 44
