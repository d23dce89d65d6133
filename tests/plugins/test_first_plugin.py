"""The plugin of docs/plugins.md, installed as a distribution of its own and run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from creance.provider.hooks import Hooks
from creance.provider.testing import RunningProvider

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text("utf-8")
CONFIGURATION = """
issuer = "ISSUER"
[http]
bind = "BIND"
[[clients]]
client_id = "app"
client_secret = "app-secret"
redirect_uris = ["http://localhost:8401/callback"]
[[clients]]
client_id = "gardeners"
client_secret = "gardeners-secret"
redirect_uris = ["http://localhost:8401/callback"]
[clients.plugins.departments]
only = ["gardening"]
[[users]]
username = "alice"
password = "wonderland"
claims = { department = "croquet" }
[plugins.sessions]
[plugins.departments]
claim = "dept"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip installed the page's plugin into."""
    source = tmp_path_factory.mktemp("departments")
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    project = re.search(r"```toml\n(\[build-system\].*?)```", PAGE, re.DOTALL)
    assert code
    assert project
    (source / "creance_departments.py").write_text(code[1])
    (source / "pyproject.toml").write_text(project[1])
    target = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), str(source)], check=True
    )
    return target


@pytest.fixture(scope="module")
def departments(installed: Path, run_provider: Callable[..., RunningProvider]) -> RunningProvider:
    path = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")]))
    return run_provider(configuration=CONFIGURATION, environment={"PYTHONPATH": path})


def test_the_page_s_plugin_adds_its_claim(departments: RunningProvider) -> None:
    """docs/plugins.md: id_token_claims, with a setting of the plugin's own."""
    app = departments.client("app")
    assert app.verify(app.log_in().id_token)["dept"] == "croquet"


def test_the_page_s_plugin_refuses_by_redirect(departments: RunningProvider) -> None:
    """docs/plugins.md: an error that a hook raises reaches the app."""
    app = departments.client("gardeners", secret="gardeners-secret")
    answer = app.authorize()
    assert answer.error == "access_denied"
    assert answer.error_description == "this app is for other departments"


def test_the_page_s_test_passes(
    installed: Path, run_provider: Callable[..., RunningProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/plugins.md: a test of one's own, as it stands there."""
    code = re.search(r"```python\n(CAROL = .*?)```", PAGE, re.DOTALL)
    assert code
    names: dict[str, Callable[[Callable[..., RunningProvider]], None]] = {}
    exec(code[1], names)  # type: ignore[arg-type]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")])))
    names["test_an_app_learns_the_department"](run_provider)


def test_the_page_names_every_hook() -> None:
    """docs/plugins.md is the index of provider/hooks.py."""
    hooks = {name for name in vars(Hooks) if not name.startswith("_")}
    table = PAGE[PAGE.index("## The hooks") : PAGE.index("## Endpoints and pages")]
    assert hooks == {name for name in re.findall(r"`(\w+)`", table) if name in hooks}
    assert len(hooks) > 20
