"""A real browser: headless Chromium, driven by Selenium."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from selenium import webdriver

HOW_TO_GET_ONE = "no browser to test with: apt-get install chromium chromium-driver"
ARGUMENTS = (
    "--headless=new",
    "--disable-dev-shm-usage",
    "--window-size=1000,800",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--lang=en",
)


class NoBrowser(Exception):
    """There is none on this machine."""


def start_chromium(profile: Path | None = None, *, javascript: bool = True) -> webdriver.Chrome:
    """A new browser; with a `profile` it has what the one before it has left there. Raises NoBrowser."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        raise NoBrowser(HOW_TO_GET_ONE)
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in ARGUMENTS:
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    if profile is not None:
        options.add_argument(f"--user-data-dir={profile}")
    preferences: dict[str, Any] = {"credentials_enable_service": False}
    if not javascript:
        preferences["profile.default_content_setting_values.javascript"] = 2
    options.add_experimental_option("prefs", preferences)
    chromium = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    chromium.set_page_load_timeout(60)
    chromium.set_script_timeout(60)
    return chromium
