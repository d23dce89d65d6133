"""docker/compose*.yaml: right by their schema, and every name in them is the name of something that is there."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from creance.provider.configuration import read_settings
from creance.provider.sealing import read_secret_file
from creance.provider.settings import Settings
from pymongo.uri_parser import parse_uri

from .container import ROOT, interpolated

DOCKER = ROOT / "docker"
FILES = sorted(path.name for path in DOCKER.glob("*.yaml"))
CONFIGURATION = "/etc/creance/creance.toml"


def read(name: str) -> dict[str, Any]:
    """A compose file, without what `extends` brings."""
    content: dict[str, Any] = yaml.safe_load((DOCKER / name).read_text("utf-8"))
    return content


def services(name: str = "compose.yaml") -> dict[str, dict[str, Any]]:
    """Its services, with what they extend."""
    found: dict[str, dict[str, Any]] = {}
    for service, own in read(name)["services"].items():
        base = own.get("extends", {})
        found[service] = {**(read(base["file"])["services"][base["service"]] if base else {}), **own}
    return found


def providers() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services().items() if name.startswith("creance-")}


def mounted(service: dict[str, Any]) -> dict[str, str]:
    """Files by their places in the container; volumes that have a name are none."""
    pairs = (interpolated(volume, {}).split(":")[:2] for volume in service.get("volumes", []))
    return {place: source for source, place in pairs if source.startswith(".")}


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The folder that `make-secrets` makes."""
    shutil.copy(DOCKER / "make-secrets", tmp_path)
    subprocess.run(["sh", tmp_path / "make-secrets"], check=True, stdout=subprocess.DEVNULL, cwd="/")
    return tmp_path / "secrets"


@pytest.fixture
def settings(tmp_path: Path, secrets: Path) -> Settings:
    """What a provider reads in its container."""
    shutil.copy(DOCKER / mounted(providers()["creance-1"])[CONFIGURATION], tmp_path / "creance.toml")
    environment = {name: interpolated(value, {}) for name, value in providers()["creance-1"]["environment"].items()}
    return read_settings(tmp_path / "creance.toml", environment)


# ----- What the files name -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_right_by_the_schema(name: str) -> None:
    """The Compose Specification's own JSON Schema, as check-jsonschema has it."""
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(DOCKER / name)]
    result = subprocess.run(check, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("name", FILES)
def test_every_file_that_is_mounted_is_there(name: str) -> None:
    for service in services(name).values():
        for source in mounted(service).values():
            assert (DOCKER / source).is_file()
        if build := service.get("build"):
            assert (DOCKER / build["context"] / build["dockerfile"]).is_file()


def test_every_secret_is_made_or_is_the_certificate(secrets: Path) -> None:
    named = {secret["file"] for name in FILES for secret in read(name).get("secrets", {}).values()}
    made = {f"secrets/{path.name}" for path in secrets.iterdir()}
    assert named - made == {"secrets/tls-certificate", "secrets/tls-key"}
    assert made - named == set()


@pytest.mark.parametrize("more", [[], ["compose.cluster.yaml"], ["compose.tls.yaml"]])
def test_what_services_name_is_declared(more: list[str]) -> None:
    files = ["compose.yaml", *more]
    declared = {kind: {each for name in files for each in read(name).get(kind, {})} for kind in ("secrets", "volumes")}
    everybody = {service for name in files for service in services(name)}
    for name in files:
        for service in services(name).values():
            named = service.get("secrets", [])
            assert {each if isinstance(each, str) else each["source"] for each in named} <= declared["secrets"]
            volumes = {volume.split(":")[0] for volume in service.get("volumes", []) if volume[0] not in ".$"}
            assert volumes <= declared["volumes"]
            assert set(service.get("networks", [])) <= read("compose.yaml")["networks"].keys()
            assert set(service.get("depends_on", [])) <= everybody


@pytest.mark.parametrize("name", FILES)
def test_images_of_others_are_named_by_version(name: str) -> None:
    for service in services(name).values():
        assert "build" in service or re.search(r":\d+\.\d+[\w.-]*$", service.get("image", ":1.0"))


# ----- What they promise ---------------------------------------------------------------------------------------------


def test_what_is_ours_is_confined() -> None:
    """Issue 5, Deployments: non-root, read-only root file system."""
    ours = {**providers(), **{name: services()[name] for name in ("proxy", "mongodb-setup")}}
    assert len(ours) == 4
    for service in ours.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service


def test_only_the_proxy_is_reached_and_only_from_this_machine() -> None:
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert published == {"proxy": ["127.0.0.1:8400:8400"]}
    networks = {name: set(service["networks"]) for name, service in services().items()}
    assert read("compose.yaml")["networks"]["store"]["internal"] is True
    assert networks.pop("proxy") == {"front"}
    assert [name for name, joined in networks.items() if "front" in joined] == ["creance-1", "creance-2"]
    assert networks["mongodb-1"] == {"store"}


def test_the_providers_believe_the_proxy_and_nobody_else(settings: Settings) -> None:
    """SECURITY.md: name the proxy in http.trusted_proxies."""
    (subnet,) = read("compose.yaml")["networks"]["front"]["ipam"]["config"]
    addresses = {
        name: service["networks"]["front"]["ipv4_address"]
        for name, service in services().items()
        if "front" in service["networks"]
    }
    assert all(ip_address(address) in ip_network(subnet["subnet"]) for address in addresses.values())
    assert len(set(addresses.values())) == len(addresses)
    assert settings.http.trusted_proxies == [f"{addresses['proxy']}/32"]


def test_both_providers_are_the_same() -> None:
    one, two = ({**service, "networks": None} for service in providers().values())
    assert one == two


def test_the_secrets_are_where_the_configuration_names_them(settings: Settings) -> None:
    """DESIGN, Configuration: secrets from files. On MongoDB the sealing secret is given, and not made."""
    named = [settings.store.uri_file, settings.keys.secret_file]
    named += [client.client_secret_file for client in settings.clients]
    targets = {secret["source"]: secret["target"] for secret in providers()["creance-1"]["secrets"]}
    assert sorted(targets.values()) == sorted(f"{Path(CONFIGURATION).parent}/{path}" for path in named if path)
    assert targets["store-uri"] == f"/etc/creance/{settings.store.uri_file}"
    assert targets["sealing"] == f"/etc/creance/{settings.keys.secret_file}"


def test_the_configuration_is_right(settings: Settings, tmp_path: Path) -> None:
    check = [sys.executable, "-m", "creance.provider.commands", "check", "--config", str(tmp_path / "creance.toml")]
    environ = {**os.environ, "CREANCE_ISSUER": settings.issuer}
    result = subprocess.run(check, env=environ, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_a_container_is_not_cut_off_before_its_requests_end(settings: Settings) -> None:
    """DESIGN: SIGTERM finishes what was begun."""
    assert int(providers()["creance-1"]["stop_grace_period"].removesuffix("s")) > settings.http.shutdown_timeout


def test_with_tls_the_issuer_must_be_given_and_the_proxy_has_a_certificate() -> None:
    tls = services("compose.tls.yaml")
    for name in providers():
        assert tls[name]["environment"]["CREANCE_ISSUER"].startswith("${CREANCE_ISSUER:?")
    listen = (DOCKER / mounted(tls["proxy"])["/etc/nginx/listen.conf"]).read_text("utf-8")
    assert set(re.findall(r"/run/secrets/([\w-]+)", listen)) == set(tls["proxy"]["secrets"])
    (port,) = tls["proxy"]["ports"]
    assert f"listen {port.partition(':')[2]} ssl;" in listen


# ----- The replica set -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "files"), [("store-uri", []), ("store-uri-cluster", ["compose.cluster.yaml"])])
def test_the_uri_names_the_members_and_their_set(name: str, files: list[str], secrets: Path) -> None:
    uri = parse_uri((secrets / name).read_text().strip())
    everybody = {name: service for file in ["compose.yaml", *files] for name, service in services(file).items()}
    members = {name: service for name, service in everybody.items() if service.get("command", [""])[0] == "mongod"}
    assert uri["nodelist"] == [(member, 27017) for member in members]
    assert len(members) == (3 if files else 1)
    for member in members.values():
        command = member["command"]
        assert command[command.index("--replSet") + 1] == uri["options"]["replicaSet"]
        assert command[command.index("--keyFile") + 1] in " ".join(member["entrypoint"])
        assert "mongodb-key" in member["secrets"]
    assert uri["database"] == "creance"


def test_all_members_but_the_first_begin_empty() -> None:
    """What has an account of its own is no member of another's set."""
    assert "MONGO_INITDB_ROOT_USERNAME" in services()["mongodb-1"]["environment"]
    for name in ("mongodb-2", "mongodb-3"):
        assert "environment" not in services("compose.cluster.yaml")[name]


# ----- The secrets ---------------------------------------------------------------------------------------------------


def test_secrets_are_fresh_and_are_what_they_are_for(secrets: Path, tmp_path: Path) -> None:
    assert read_secret_file(secrets / "sealing")
    assert re.fullmatch("[A-Za-z0-9+/=]{6,1024}", (secrets / "mongodb-key").read_text().strip())
    one, three = (parse_uri((secrets / name).read_text().strip()) for name in ("store-uri", "store-uri-cluster"))
    assert (one["username"], one["password"]) == (three["username"], three["password"])
    texts = [path.read_text().strip() for path in secrets.iterdir()]
    assert len(set(texts)) == len(texts)
    assert min(map(len, texts)) >= 64


def test_only_their_owner_can_reach_them_here_and_others_in_a_container(secrets: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets.iterdir()} == {0o444}


def test_secrets_that_are_there_stay(secrets: Path) -> None:
    """Also the password of the account, when the URI of a cluster is made later."""
    (secrets / "store-uri-cluster").unlink()
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    made = subprocess.run(["sh", secrets.parent / "make-secrets"], check=True, capture_output=True, text=True).stdout
    assert made == "secrets/store-uri-cluster\n"
    assert {name: (secrets / name).read_text() for name in before} == before
    one, three = (parse_uri((secrets / name).read_text().strip()) for name in ("store-uri", "store-uri-cluster"))
    assert one["password"] == three["password"]


def test_they_are_never_checked_in() -> None:
    assert "/docker/secrets/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()
