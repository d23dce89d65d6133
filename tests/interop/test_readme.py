"""The client of the README, run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from creance.provider.testing import RunningProvider

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")

PERSON = """
import sys
from creance.provider.testing import Browser
import requests
browser = Browser(sys.argv[1].split("/authorize")[0])
answer = browser.log_in(browser.follow(browser.get(sys.argv[1])), "alice")
requests.get(answer.headers["Location"], timeout=10)
"""
"""Stands in for the web browser that the example opens, and for the person in front of it."""


def test_the_client_of_the_readme_runs(run_provider: Callable[..., RunningProvider], tmp_path: Path) -> None:
    """README: a complete client, of which only the provider's address is changed."""
    op = run_provider()
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code
    (tmp_path / "client.py").write_text(code[1].replace("http://localhost:8400", op.issuer))
    (tmp_path / "person.py").write_text(PERSON)
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\n"{sys.executable}" "{tmp_path}/person.py" "$1" &\n')
    browser.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "client.py"],
        cwd=tmp_path,
        env={"BROWSER": f"{browser} %s", "PATH": "/usr/bin:/bin", "AUTHLIB_INSECURE_TRANSPORT": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "'name': 'Alice Liddell'" in done.stdout
    assert len([line for line in code[1].splitlines() if line]) <= 15
