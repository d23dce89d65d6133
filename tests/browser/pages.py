"""Every page that a person can see, in every state that looks different, and how to get there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from .person import Person
from .world import PASSWORD, World

LIMITS: Mapping[str, str] = MappingProxyType({"CREANCE_LIMITS__FAILED_LOGINS_PER_ACCOUNT": "3"})
"""What a provider needs as `environment` so that one can get to all of them."""

SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)
EVERYTHING = "openid profile email phone address offline_access"


def login(person: Person, world: World, user: str) -> None:
    person.visit(world.books)


def login_with_a_mistake(person: Person, world: World, user: str) -> None:
    person.visit(world.books)
    person.log_in(user, "wrong")


def login_limited(person: Person, world: World, user: str) -> None:
    person.visit(world.books)
    for _ in range(4):
        person.log_in(f"{user}-again", "wrong")


def select_account(person: Person, world: World, user: str) -> None:
    _log_in(person, world, user)
    person.visit(world.books, prompt="select_account")


def logged_in(person: Person, world: World, user: str) -> None:
    _log_in(person, world, user)
    person.open(world.url("/auth/login"))


def consent(person: Person, world: World, user: str) -> None:
    _log_in(person, world, user)
    person.visit(world.books, scope=EVERYTHING, prompt="consent")


def account(person: Person, world: World, user: str) -> None:
    _log_in(person, world, user)
    person.visit(world.wiki)
    person.visit(world.books, scope=EVERYTHING, prompt="consent")
    person.leave(person.one("[value=allow]").click)
    _log_in_elsewhere(world, user)
    person.open(world.url("/account"))


def account_after_a_change(person: Person, world: World, user: str) -> None:
    account(person, world, user)
    person.leave(person.one("[name=end][value=one]").click)


def change_password(person: Person, world: World, user: str) -> None:
    _log_in(person, world, user)
    person.open(world.url("/account/password"))


def change_password_with_a_mistake(person: Person, world: World, user: str) -> None:
    change_password(person, world, user)
    person.one("#current_password").send_keys(PASSWORD)
    person.one("#new_password").send_keys("123456789012")
    person.one("#new_password_again").send_keys("123456789012")
    person.leave(person.one("button").click)


def logout(person: Person, world: World, user: str) -> None:
    _log_in(person, world, user)
    person.open(world.url("/auth/logout"))


def logout_by_an_app(person: Person, world: World, user: str) -> None:
    _log_in(person, world, user)
    person.open(f"{world.wiki.origin}/logout")


def logged_out(person: Person, world: World, user: str) -> None:
    logout(person, world, user)
    person.leave(person.one("button").click)


def error(person: Person, world: World, user: str) -> None:
    person.open(world.wiki.begin(redirect_uri="http://localhost:9999/elsewhere"))


def refused(person: Person, world: World, user: str) -> None:
    world.books.page = f"<form method=post action={world.url('/auth/login')}><button>Go</button></form>"
    person.open(f"{world.books.origin}/page")
    person.press("Go")


def front(person: Person, world: World, user: str) -> None:
    person.open(world.url("/"))


Page = Callable[[Person, World, str], None]

PAGES: Mapping[str, Page] = MappingProxyType(
    {
        page.__name__.replace("_", "-"): page
        for page in (
            login,
            login_with_a_mistake,
            login_limited,
            select_account,
            logged_in,
            consent,
            account,
            account_after_a_change,
            change_password,
            change_password_with_a_mistake,
            logout,
            logout_by_an_app,
            logged_out,
            error,
            refused,
            front,
        )
    }
)
"""By name, how a person gets there who has not been at this browser before; the user is theirs, in the store."""


def _log_in(person: Person, world: World, user: str) -> None:
    person.open(world.url("/auth/login"))
    person.log_in(user, PASSWORD)


def _log_in_elsewhere(world: World, user: str) -> None:
    """At a telephone."""
    browser = world.provider.browser()
    browser.http.headers["User-Agent"] = SAFARI
    browser.log_in(browser.get("/auth/login?next=account"), user, PASSWORD)
