"""The wheel, in an empty environment away from the checkout: an editable install hides what a wheel has lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("provider", "plugins", "config")
SOURCES = ("LICENSE", "README.md", "pyproject.toml", "setup.cfg")


def checked_in() -> list[str]:
    """The files of the checkout that are in a distribution or needed to make one: tracked, or new and not ignored."""
    listing = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=False,
        capture_output=True,
        text=True,
    )
    names = listing.stdout.split("\0") if listing.returncode == 0 else unpacked()
    return sorted(name for name in names if name in SOURCES or (is_ours(name) and (ROOT / name).is_file()))


def unpacked() -> list[str]:
    """The same where the sources were unpacked from an archive, which git knows nothing of."""
    found = (path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    return [*SOURCES, *(str(path) for path in found if not {"__pycache__", "var"} & set(path.parts))]


def is_ours(name: str) -> bool:
    return name.startswith(tuple(f"{folder}/" for folder in FOLDERS))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout: a build leaves things behind that the next one would take for sources."""
    source = tmp_path_factory.mktemp("source")
    for name in checked_in():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    return source


def build(kind: str, source: Path, folder: Path) -> Path:
    run(sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", folder, source)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment in which nothing is installed but the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--quiet", "--python", python, "install", "--disable-pip-version-check", wheel)
    return folder / "bin"


def run(*command: object, folder: Path | None = None) -> str:
    """What a program prints. It must succeed, and knows nothing of this environment."""
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    result = subprocess.run(
        [*map(str, command)], check=False, cwd=folder, env=environ, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout


def test_nothing_is_lost_from_the_wheel(wheel: Path) -> None:
    expected = {f"creance/{name}" for name in checked_in() if is_ours(name)}
    found = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert found == expected


def test_nothing_is_lost_from_the_source_distribution(source: Path, tmp_path: Path) -> None:
    with tarfile.open(build("sdist", source, tmp_path)) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    assert set(checked_in()) <= found


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    lines = archive.read(metadata).decode().splitlines()
    assert "Requires-Python: >=3.11" in lines
    assert "License: Apache-2.0" in lines
    assert any(name.endswith("/licenses/LICENSE") for name in archive.namelist())


def test_the_command_works_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    creance = environment / "creance"
    assert run(creance, "--version", folder=tmp_path) == f"creance {version('creance')}\n"
    run(creance, "init", "demo", "here", folder=tmp_path)
    output = run(creance, "--config", "here/creance.toml", "check", folder=tmp_path)
    assert output.startswith("here/creance.toml is right")
    assert "alice" in run(creance, "--config", "here/creance.toml", "users", "list", folder=tmp_path)


PAGES = """
import sys
from creance.provider import OpenIDProvider, create_app
import falcon.testing

op = OpenIDProvider.from_config("creance.toml")
op.prepare()
client = falcon.testing.TestClient(create_app(op))
for path in ("/", "/auth/style.css", "/auth/login", "/auth/logout", "/nowhere", "/openapi.json"):
    answer = client.simulate_get(path, headers={"Accept": "text/html"})
    assert answer.status_code < 500, (path, answer.status_code, answer.text)
op.stop()
taken = [name for name in sys.modules if name.partition(".")[0] in ("provider", "plugins", "config")]
assert not taken, taken
files = {module.__file__ for name, module in sys.modules.items() if name.startswith("creance.") and module.__file__}
assert all("site-packages" in file for file in files), files
"""


def test_its_pages_are_in_the_wheel_and_its_modules_have_one_name(environment: Path, tmp_path: Path) -> None:
    """A host may have folders called provider and plugins of its own: ours are only ever creance.provider and so on."""
    run(environment / "creance", "init", "demo", tmp_path)
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text("raise ImportError('the host's own')")
    run(environment / "python", "-c", PAGES, folder=tmp_path)


BESIDE = """
import creance.provider.satosa, pymongo, satosa
assert pymongo.version_tuple >= (4, 12), pymongo.version
assert issubclass(
    creance.provider.satosa.OpenIDConnectFrontend, satosa.frontends.openid_connect.OpenIDConnectFrontend
)
"""


@pytest.mark.long
def test_satosa_can_be_installed_beside_it(wheel: Path, tmp_path: Path) -> None:
    """PYOP, Persistence; docs/adopting.md: `creance[satosa]` brings both and a driver of today, in agreement."""
    venv.create(tmp_path / "satosa")
    python = tmp_path / "satosa" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "--quiet", f"{wheel}[satosa]")
    run(*pip, "check")
    run(python, "-c", BESIDE, folder=tmp_path)


def test_no_module_is_loaded_twice_here() -> None:
    """The same file under two names would be two hooks, two settings, two of everything."""
    names: dict[str, list[str]] = {}
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if path and any(Path(path).is_relative_to(ROOT / folder) for folder in FOLDERS):
            names.setdefault(path, []).append(name)
    assert {path: loaded for path, loaded in names.items() if len(loaded) > 1} == {}
    assert not {"provider", "plugins", "config"} & sys.modules.keys()
