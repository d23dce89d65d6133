"""SoftHSM, a PKCS#11 token in software, with keys that were made in it.

Where there is none the tests are skipped; REQUIRE_SOFTHSM=1 makes that a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NONE = "no SoftHSM (on Debian softhsm2, and python-pkcs11)"
PIN = "pin-not-to-be-logged"
TOKEN = "creance"
_DRIVERS = [Path("/usr/lib/softhsm/libsofthsm2.so"), *Path("/usr/lib").glob("*/softhsm/libsofthsm2.so")]

_MAKE_KEYS = """
import sys
import pkcs11
from pkcs11 import Attribute, KeyType
from pkcs11.util.ec import encode_named_curve_parameters

driver, token, pin = sys.argv[1:]
with pkcs11.lib(driver).get_token(token_label=token).open(rw=True, user_pin=pin) as session:
    session.generate_keypair(KeyType.RSA, 2048, store=True, label="signing-rsa", id=b"1")
    curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    parameters = session.create_domain_parameters(KeyType.EC, curve, local=True)
    parameters.generate_keypair(store=True, label="signing-ec", id=b"2")
"""


class SoftHSM:
    """A token in a folder, for programs that are started with `environment`."""

    def __init__(self, folder: Path) -> None:
        drivers = [path for path in _DRIVERS if path.exists()]
        if not drivers or not shutil.which("softhsm2-util"):
            _none()
        try:
            import pkcs11  # noqa: F401
        except ImportError:
            _none()
        self.driver = str(drivers[0])
        tokens = folder / "tokens"
        tokens.mkdir(parents=True)
        configuration = folder / "softhsm2.conf"
        configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.environment = {"SOFTHSM2_CONF": str(configuration)}
        self.pin_file = folder / "pin"
        self.pin_file.write_text(PIN)
        self._run("softhsm2-util", "--init-token", "--free", "--label", TOKEN, "--pin", PIN, "--so-pin", "12345678")
        self._run(sys.executable, "-c", _MAKE_KEYS, self.driver, TOKEN, PIN)

    def _run(self, *command: str) -> None:
        environment = {**os.environ, **self.environment}
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)


def _none() -> None:
    if os.environ.get("REQUIRE_SOFTHSM") == "1":
        pytest.fail(NONE)
    pytest.skip(NONE)
