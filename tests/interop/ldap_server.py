"""OpenLDAP's slapd, with a few people in it.

Where there is none the tests are skipped; REQUIRE_LDAP=1 makes that a failure.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from creance.provider.testing.running import free_port
from ldap3 import Connection, Server
from ldap3.utils.dn import escape_rdn
from ldap3.utils.hashed import hashed

from ..own_server import OwnServer

SLAPD = shutil.which("slapd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/lib/openldap")
NONE = "no slapd (on Debian: apt-get install slapd)"
BASE = "dc=example,dc=org"
PEOPLE = f"ou=people,{BASE}"
READER = f"cn=reader,{BASE}"
READER_PASSWORD = "reads-all"

CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile FOLDER/slapd.pid
database mdb
suffix "BASE"
rootdn "READER"
rootpw READER_PASSWORD
directory FOLDER
access to attrs=userPassword by anonymous auth by * none
access to * by * none
"""


class LDAPServer(OwnServer):
    """A server of its own, on a port of its own."""

    def __init__(self, folder: Path) -> None:
        if SLAPD is None:
            _none()
        self._port = free_port()
        self.url = f"ldap://127.0.0.1:{self._port}"
        configuration = CONFIGURATION.replace("FOLDER", str(folder)).replace("BASE", BASE)
        configuration = configuration.replace("READER_PASSWORD", READER_PASSWORD).replace("READER", READER)
        self._configuration = folder / "slapd.conf"
        self._configuration.write_text(configuration)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [str(SLAPD), "-f", str(self._configuration), "-h", self.url, "-d", "0"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            assert self.process.poll() is None, "slapd has ended"
            assert time.monotonic() < end
            time.sleep(0.05)

    def fill(self) -> None:
        """The base, and the place of the people."""
        with self.connect() as ldap:
            ldap.add(BASE, ["dcObject", "organization"], {"o": "Example"})
            ldap.add(PEOPLE, "organizationalUnit")

    def add_person(self, uid: str, password: str, **attributes: str) -> None:
        """`attributes` as cn, mail."""
        with self.connect() as ldap:
            fields = {"cn": uid, "sn": uid, **attributes, "uid": uid, "userPassword": hashed("SALTED_SHA", password)}
            assert ldap.add(f"uid={escape_rdn(uid)},{PEOPLE}", "inetOrgPerson", fields), ldap.result

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """As its owner."""
        ldap = Connection(Server(self.url, connect_timeout=2), READER, READER_PASSWORD, auto_bind=True)
        yield ldap
        ldap.unbind()


def _none() -> None:
    if os.environ.get("REQUIRE_LDAP") == "1":
        pytest.fail(NONE)
    pytest.skip(NONE)
