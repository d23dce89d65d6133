"""pytest fixtures, found by pytest when `creance` is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .running import RunningProvider


@pytest.fixture(scope="session")
def op(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProvider]:
    """The demonstration's provider, running: one for all tests, so leave its users and clients as they are."""
    from .running import RunningProvider

    with RunningProvider(tmp_path_factory.mktemp("op")) as provider:
        yield provider


@pytest.fixture(scope="module")
def run_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningProvider]]:
    """Starts providers of your own, as `run_provider(environment={"CREANCE_LIFETIMES__ACCESS_TOKEN": "2"})`.

    All are stopped at the end of the module.
    """
    from .running import RunningProvider

    running: list[RunningProvider] = []

    def run(**options: Any) -> RunningProvider:
        provider = RunningProvider(tmp_path_factory.mktemp("provider"), **options)
        running.append(provider)
        provider.start()
        return provider

    yield run
    for provider in running:
        provider.stop()
