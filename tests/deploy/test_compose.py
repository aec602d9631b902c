"""The containers: a valid file, hardened, with settings that the services know and secrets that have no default."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are a package that nothing else needs

from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.settings import SERVICES, ServiceSettings, load
from services.alerts.deadman.settings import Settings as Deadman

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
ALL = COMPOSE["services"]
OURS = {name: body for name, body in ALL.items() if "build" in body}
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()


def settings_of(service: str) -> type[ServiceSettings]:
    kind: type[ServiceSettings] = importlib.import_module(f"services.{service}.settings").Settings
    return kind


def known_keys(service: str) -> set[str]:
    if service == "deadman":
        return known_keys_of("DEADMAN", Deadman)
    return known_keys_of(service.upper(), settings_of(service))


def known_keys_of(name: str, kind: type[ServiceSettings]) -> set[str]:
    shared = {f"CSX_{name.upper()}" for name in ServiceSettings.model_fields}
    return shared | {
        f"CSX_{name}_{field.upper()}" for field in set(kind.model_fields) - set(ServiceSettings.model_fields)
    }


def test_the_file_is_valid_by_the_official_schema():
    tool = str(Path(sys.executable).with_name("check-jsonschema"))
    command = [tool, "--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_service_runs():
    assert {body["build"]["args"]["SERVICE"] for body in OURS.values()} == set(SERVICES)
    assert {"kafka", "postgres", "valkey"} == set(ALL) - set(OURS)


@pytest.mark.parametrize("name", ALL)
def test_every_container_is_hardened(name):
    body = ALL[name]
    assert body["cap_drop"] == ["ALL"]
    assert body["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in body
    assert "mem_limit" in body
    assert "pids_limit" in body
    assert body["healthcheck"]["test"]
    assert body["restart"] == "unless-stopped"
    if name != "kafka":  # its image writes its own configuration
        assert body["read_only"] is True
        assert body["user"] not in {"0", "root"}


@pytest.mark.parametrize("name", OURS)
def test_our_containers_run_as_nobody_in_particular(name):
    body = OURS[name]
    assert body["user"] == "10001:10001"
    assert body["tmpfs"] == ["/tmp:size=64m,mode=1777"]
    stores = {store: {"condition": "service_healthy"} for store in ("kafka", "postgres", "valkey")}
    assert body["depends_on"] == ({"alerts": {"condition": "service_started"}} if name == "deadman" else stores)
    spill = "/var/lib/cryptosatx/spill"
    spills = name.startswith("ingest-") and name != "ingest-vendors"  # what a vendor said is asked for again
    assert body.get("volumes", []) == ([f"spill:{spill}"] if spills else [])
    assert body["environment"].get("CSX_INGEST_SPILL_DIR") == (spill if spills else None)


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_one_that_the_service_knows(name):
    body = OURS[name]
    service = "deadman" if name == "deadman" else body["build"]["args"]["SERVICE"]
    assert set(body["environment"]) <= known_keys(service)
    assert body["environment"]["CSX_ENVIRONMENT"] == "production"


def test_the_alerts_beat_for_the_watch_beside_them():
    watch = ALL["deadman"]
    assert watch["command"] == ["python", "-m", "services.alerts.deadman"]
    port = Deadman.model_fields["port"].default
    assert ALL["alerts"]["environment"]["CSX_ALERTS_HEARTBEAT_URL"] == f"http://deadman:{port}/beat"
    assert watch["environment"]["CSX_DEADMAN_HOST"] == "0.0.0.0"
    assert set(watch["networks"]) & set(ALL["alerts"]["networks"]) >= {"inside"}
    assert watch["environment"]["CSX_DEADMAN_OWNERS"].startswith("${CSX_DEADMAN_OWNERS:?")


def test_published_ports_are_loopback_only():
    published = [port for body in ALL.values() for port in body.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


SECRETS = (
    "POSTGRES_PASSWORD",
    "VALKEY_PASSWORD",
    "CSX_ALERTS_TELEGRAM_TOKEN",
    "CSX_GATEWAY_SECRET",
    "CSX_GATEWAY_SIGNING_KEYS",
)


def test_the_gateway_accepts_what_its_container_is_given(monkeypatch):
    from services.gateway.access.signing import new_key

    for variable in [name for name in os.environ if name.startswith("CSX_")]:
        monkeypatch.delenv(variable)
    given = {"CSX_GATEWAY_SECRET": "5" * 64, "CSX_GATEWAY_SIGNING_KEYS": new_key().replace("\n", " ")}
    for key, text in ALL["gateway"]["environment"].items():
        filled = re.sub(r"\$\{([A-Z_]+):?[?-]?([^}]*)\}", lambda found: given.get(found[1], found[2]), text)
        monkeypatch.setenv(key, filled)
    settings: Any = load(settings_of("gateway"))
    assert (settings.environment, settings.transport) == ("production", "plain")  # at this machine's loopback alone
    for secret in given:
        with monkeypatch.context() as without:
            without.delenv(secret)
            with pytest.raises(ConfigurationError, match=secret):
                load(settings_of("gateway"))


def test_secrets_have_no_default_and_no_image_floats():
    for secret in SECRETS:
        uses = re.findall(rf"\$\{{{secret}([^}}]*)\}}", TEXT)
        assert uses
        assert all(use.startswith(":?") for use in uses)
    for name in set(ALL) - set(OURS):
        assert re.search(r":\d+\.\d+\.?\d*(-\w+)?$", ALL[name]["image"]), name


def test_vendors_are_asked_on_demand_alone_and_their_keys_are_empty_unless_set():
    assert {name: body["profiles"] for name, body in ALL.items() if "profiles" in body} == {
        "ingest-vendors": ["vendors"]
    }
    keys = {key: value for key, value in ALL["ingest-vendors"]["environment"].items() if key.endswith("_KEY")}
    assert keys == {f"CSX_INGEST_{name}_KEY": f"${{{name}_KEY:-}}" for name in ("COINGLASS", "LUNARCRUSH", "COINGECKO")}


def test_every_variable_of_the_file_is_in_the_example():
    example = (ROOT / ".env.example").read_text()
    asked = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", TEXT)) - {"CSX_LOG_LEVEL", "CSX_GATEWAY_ALLOWED_HOSTS"}
    assert asked <= set(re.findall(r"^#? ?([A-Z_]+)=", example, re.MULTILINE))
    assert not re.search(rf"^({'|'.join(SECRETS)})=.", example, re.MULTILINE)


def test_only_stores_are_cut_off_from_the_world():
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert {name for name, body in ALL.items() if "outside" not in body["networks"]} == {
        "postgres",
        "valkey",
        "signals",
    }


def test_the_image_drops_its_user_pins_its_tools_and_copies_everything_it_runs():
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert "HEALTHCHECK" in DOCKERFILE
    assert ":latest" not in DOCKERFILE
    copied = " ".join(re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE)).split()
    assert all((ROOT / path).exists() for path in copied)
    kept = [
        line[1:].removesuffix("/**") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    ]
    assert set(copied) == set(kept)
