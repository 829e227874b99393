"""Production is a mode that refuses: by running what starts the processes, in the image's environment and in compose's."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from reserve.operate.migrate import ROOT
from reserve.operate.production import ON_DATABASE, objections, passwords
from services.ledger.keys import seed_key
from services.registry import JOURNALED, PROCESSES
from shared.settings import Settings

REFUSED = 2
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {name: each for name, each in COMPOSE["services"].items() if each["image"] == "reserve"}
SOUND = {
    "RESERVE_ENVIRONMENT": "production",
    "RESERVE_ISSUER": "https://id.example",
    "RESERVE_JWKS_URL": "https://id.example/jwks.json",
    "RESERVE_TOKEN_URL": "https://id.example/token",
    "RESERVE_CLIENT_ID": "inventory",
    "RESERVE_CLIENT_SECRET": "a-long-secret-of-inventory",
    "RESERVE_SERVICE_URLS": '{"inventory": "http://inventory:8000", "ledger": "http://ledger:8000"}',
    "DATABASE_URL": "postgresql://reserve_inventory:w0Qm2Zt7Rk4Xb9Lp@postgres:5432/reserve",
    "RESERVE_KAFKA_USER": "inventory",
    "RESERVE_KAFKA_PASSWORD": "Xb9Lpw0Qm2Zt7Rk4",
}
OF_ANOTHER_USER = 10001
LOCAL_ISSUER = r"local issuer.*set RESERVE_ISSUER, RESERVE_JWKS_URL and RESERVE_TOKEN_URL to those of your OpenID provider"


def run(*arguments: str, environment: Mapping[str, str], module: str = "reserve") -> subprocess.CompletedProcess[str]:
    """`reserve`, or another module, in this environment, and nothing of ours in it besides."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = (sys.executable, "-m", module, *arguments)
    return subprocess.run(command, env={**kept, **environment}, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def found(process: str = "inventory", user_id: int = OF_ANOTHER_USER, **changed: Any) -> list[str]:
    """What production objects to in a sound service's settings, with these changed."""
    settings = Settings.model_validate(
        {
            "environment": "production",
            "issuer": SOUND["RESERVE_ISSUER"],
            "jwks_url": SOUND["RESERVE_JWKS_URL"],
            "token_url": SOUND["RESERVE_TOKEN_URL"],
            "database_url": SOUND["DATABASE_URL"],
            "client_secret": SOUND["RESERVE_CLIENT_SECRET"],
            "kafka_user": SOUND["RESERVE_KAFKA_USER"],
            "kafka_password": SOUND["RESERVE_KAFKA_PASSWORD"],
            **changed,
        }
    )
    return list(objections(process, settings, user_id))


def test_nothing_of_a_sound_service_is_refused() -> None:
    assert found() == []


def test_up_is_refused_and_makes_nothing(tmp_path: Path) -> None:
    """It was ready, with the local issuer, and its services knew nothing of production."""
    clock = {"RESERVE_CLOCK_FILE": str(tmp_path / "clock")}
    ended = run("up", "--data", str(tmp_path / "new"), environment={"RESERVE_ENVIRONMENT": "production"} | clock)
    assert ended.returncode == REFUSED
    said = ended.stderr
    assert re.search(LOCAL_ISSUER, said)
    assert "plain HTTP: set RESERVE_TLS_CERTIFICATE and RESERVE_TLS_KEY" in said
    assert f"RESERVE_CLOCK_FILE is {tmp_path / 'clock'}" in said
    assert not (tmp_path / "new").exists()


def test_the_demonstration_is_refused(tmp_path: Path) -> None:
    ended = run("demo", "--data", str(tmp_path / "new"), environment={"RESERVE_ENVIRONMENT": "production"})
    assert ended.returncode == REFUSED
    assert re.search(LOCAL_ISSUER, ended.stderr)


def test_a_service_says_all_that_is_wrong_at_once(tmp_path: Path) -> None:
    (keys := tmp_path / "keys").mkdir()
    (keys / "ledger.pem").write_text("a key")
    (keys / "ledger.pem").chmod(0o644)
    tmp_path.chmod(0o700)
    wrong = {
        "RESERVE_DATA_DIR": str(tmp_path),
        "RESERVE_ISSUER": "http://127.0.0.1:8080",
        "RESERVE_CLOCK_FILE": "clock",
        "RESERVE_REQUIRE_LEDGER_AT_START": "false",
        "DATABASE_URL": "postgresql://postgres:postgres@postgres/reserve",
        "RESERVE_CLIENT_SECRET": "postgres",
    }
    ended = run("serve", "inventory", environment=SOUND | wrong)
    assert ended.returncode == REFUSED
    for sentence in (
        "RESERVE_ISSUER is http://127.0.0.1:8080, an issuer of this machine: set",
        "RESERVE_ISSUER is http://127.0.0.1:8080, where everybody on the way reads along: set an address that begins with https://",
        f"{keys / 'ledger.pem'} (RESERVE_DATA_DIR) is open to other users (mode 0644): chmod 600",
        "The password in DATABASE_URL is a default, or short: set a random one",
        "DATABASE_URL and RESERVE_CLIENT_SECRET have one password: set one for each",
        "DATABASE_URL logs in as postgres: set the address of inventory's own role, reserve_inventory",
        "RESERVE_CLOCK_FILE is clock, and shifts the time: leave it out",
        "RESERVE_REQUIRE_LEDGER_AT_START is false",
    ):
        assert sentence in ended.stderr
    assert ("started as root" in ended.stderr) == (os.geteuid() == 0)


def test_the_local_issuer_is_refused(tmp_path: Path) -> None:
    ended = run("serve", "identity", environment=SOUND | {"RESERVE_DATA_DIR": str(tmp_path)})
    assert ended.returncode == REFUSED
    assert re.search(LOCAL_ISSUER, ended.stderr)
    for issuer in ("https://localhost:8080", "https://127.0.0.1:8080", "https://[::1]:8080"):
        assert ["an issuer of this machine" in each for each in found(issuer=issuer)] == [True]
    [named] = found(service_urls={"identity": "http://identity:8000"})
    assert named.startswith("RESERVE_SERVICE_URLS names identity")


def test_the_edge_without_a_certificate_is_refused(tmp_path: Path) -> None:
    ended = run("serve", "edge", environment=SOUND | {"RESERVE_DATA_DIR": str(tmp_path)})
    assert ended.returncode == REFUSED
    assert "The edge would answer over plain HTTP: set RESERVE_TLS_CERTIFICATE and RESERVE_TLS_KEY" in ended.stderr
    (key := tmp_path / "edge.pem").write_text("a key")
    key.chmod(0o640)
    [readable] = found("edge", tls_certificate=tmp_path / "edge.crt", tls_key=key)
    assert readable == f"{key} (RESERVE_TLS_KEY) is open to other users (mode 0640): chmod 600 {key}."
    key.chmod(0o400)
    assert found("edge", tls_certificate=tmp_path / "edge.crt", tls_key=key) == []


@pytest.mark.parametrize("command", [("reserve", "serve", "edge"), ("reserve.operate.edge",)], ids=["serve", "print"])
def test_an_edge_that_would_ask_an_issuer_without_tls_is_refused(command: tuple[str, ...], tmp_path: Path) -> None:
    plain = {"RESERVE_ISSUER": "http://id.example", "RESERVE_JWKS_URL": "http://id.example/jwks.json", "RESERVE_TOKEN_URL": ""}
    ended = run(*command[1:], environment=SOUND | plain | {"RESERVE_DATA_DIR": str(tmp_path)}, module=command[0])
    assert ended.returncode == REFUSED
    for setting in ("RESERVE_ISSUER", "RESERVE_JWKS_URL"):
        assert (
            f"{setting} is {plain[setting]}, where everybody on the way reads along: set an address that begins with https" in ended.stderr
        )
    assert "RESERVE_TOKEN_URL" not in ended.stderr, "the edge asks for no token"
    assert ended.stdout == ""


COMMANDS_ON_DATABASE = [
    ("backup", "DIR"),
    ("restore", "DIR", "--data", "new", "--service", "inventory"),
    ("rebuild", "inventory"),
    ("rebuild", "inventory", "--swap"),
    ("journal", "recover", "inventory"),
    ("journal", "tiles"),
]


@pytest.mark.parametrize("command", COMMANDS_ON_DATABASE, ids=" ".join)
def test_a_command_on_the_database_is_refused_what_a_service_is(command: tuple[str, ...], tmp_path: Path) -> None:
    default = {"DATABASE_OWNER_URL": "postgresql://postgres:postgres@127.0.0.1:1/reserve", "RESERVE_CLOCK_FILE": "clock"}
    ended = run(*command, environment={"RESERVE_ENVIRONMENT": "production", "RESERVE_DATA_DIR": str(tmp_path)} | default)
    assert ended.returncode == REFUSED
    assert "RESERVE_ENVIRONMENT is production, in which a command on the database does not start" in ended.stderr
    assert "The password in DATABASE_OWNER_URL is a default, or short: set a random one" in ended.stderr
    assert "RESERVE_CLOCK_FILE is clock, and shifts the time" in ended.stderr


def test_a_command_on_the_database_of_a_folder_is_refused() -> None:
    [missing] = found(ON_DATABASE)
    assert missing.startswith("DATABASE_OWNER_URL is not set, so it would work on a folder of `reserve up`")
    assert found(ON_DATABASE, database_owner_url="postgresql://postgres:0123456789abcdefgh@postgres/reserve") == []


def test_a_client_of_the_local_issuer_is_refused(tmp_path: Path) -> None:
    key = seed_key(tmp_path, "reserve.example")
    for command in (("token", "--client", "operator-1"), ("audit", "verify", "--live", "--key", key)):
        ended = run(*command, environment={"RESERVE_ENVIRONMENT": "production", "RESERVE_DATA_DIR": str(tmp_path)})
        assert ended.returncode == REFUSED, command
        assert re.search(LOCAL_ISSUER, ended.stderr), command


def test_an_audit_over_plain_http_is_refused(tmp_path: Path) -> None:
    (secret := tmp_path / "secret").write_text("a-long-secret-of-auditor-1")
    key = seed_key(tmp_path, "reserve.example")
    command = ("audit", "verify", "--key", key, "--secret-file", str(secret), "--url")
    ended = run(*command, "http://127.0.0.1:1", environment={"RESERVE_ENVIRONMENT": "production"})
    assert ended.returncode == REFUSED
    assert "--url is http://127.0.0.1:1, where everybody on the way reads along: give an address that begins with https" in ended.stderr
    ended = run(*command, "https://127.0.0.1:1", environment={"RESERVE_ENVIRONMENT": "production"})
    assert "reads along" not in ended.stderr


@pytest.mark.parametrize("setting", ["issuer", "jwks_url", "token_url"])
def test_an_issuer_without_tls_or_none_is_refused(setting: str) -> None:
    [plain] = found("inventory", OF_ANOTHER_USER, **{setting: "http://id.example"})
    [missing] = found("inventory", OF_ANOTHER_USER, **{setting: ""})
    assert plain.startswith(f"RESERVE_{setting.upper()} is http://id.example, where everybody on the way reads along")
    assert missing.startswith(f"RESERVE_{setting.upper()} is not set")


@pytest.mark.parametrize("password", ["postgres", "Reserve", "", "0123456789abcde"])
def test_a_default_or_short_password_is_refused(password: str) -> None:
    [said] = found(database_url=f"postgresql://reserve_inventory:{password}@postgres/reserve")
    assert said.startswith("The password in DATABASE_URL is a default, or short")


def test_a_service_that_could_be_another_is_refused() -> None:
    [owner] = found(database_owner_url="postgresql://postgres:0123456789abcdefgh@postgres/reserve")
    assert owner.startswith("DATABASE_OWNER_URL is for `reserve migrate`")
    [other] = found(database_url="postgresql://reserve_ledger:0123456789abcdefgh@postgres/reserve")
    assert other.startswith("DATABASE_URL logs in as reserve_ledger")
    [nobody] = found(kafka_user="")
    assert nobody.startswith("RESERVE_KAFKA_USER and RESERVE_KAFKA_PASSWORD are not set")
    [clear] = found(kafka_mechanism="PLAIN")
    assert clear.startswith("RESERVE_KAFKA_MECHANISM is PLAIN, by which secrets are sent in the clear: set RESERVE_KAFKA_TLS")
    assert found(kafka_mechanism="PLAIN", kafka_tls=True) == []
    [root] = found(user_id=0)
    assert root.startswith("It is started as root")


def test_a_console_wants_a_key_an_address_and_where_people_log_in() -> None:
    sound = {"authorize_url": "https://id.example/authorize", "console_url": "https://reserve.example/console", "console_key": "k" * 32}
    ours = {"database_url": "", "kafka_user": "", "kafka_password": "", **sound}
    assert found("console", **ours) == []
    [key] = found("console", **ours | {"console_key": "k" * 31})
    assert key.startswith("RESERVE_CONSOLE_KEY is not set, or short")
    [address] = found("console", **ours | {"console_url": "http://reserve.example/console"})
    assert address.startswith("RESERVE_CONSOLE_URL is no address that begins with https://")
    [page] = found("console", **ours | {"authorize_url": ""})
    assert page.startswith("RESERVE_AUTHORIZE_URL is not set")


@pytest.mark.parametrize("environment", ["local", "production"])
def test_one_password_for_all_roles_is_refused_before_anything_is_migrated(environment: str, tmp_path: Path) -> None:
    settings = {
        "RESERVE_ENVIRONMENT": environment,
        "RESERVE_DATA_DIR": str(tmp_path / "data"),
        "DATABASE_OWNER_URL": "postgresql://postgres:w0Qm2Zt7Rk4Xb9Lp@127.0.0.1:1/reserve",
    }
    one = json.dumps(dict.fromkeys(JOURNALED, "7Rk4Xb9Lpw0Qm2Zt"))
    ended = run("migrate", environment=settings | {"RESERVE_DATABASE_PASSWORDS": one})
    assert ended.returncode == REFUSED
    assert re.search(r"RESERVE_DATABASE_PASSWORDS .*one password", ended.stderr)
    ended = run("migrate", environment=settings | {"RESERVE_DATABASE_PASSWORDS": '{"inventory": "short"}'})
    assert ended.returncode == REFUSED
    assert not (tmp_path / "data").exists()


def test_the_images_command_is_production_and_has_a_user_of_its_own(tmp_path: Path) -> None:
    """What `docker run reserve serve NAME` does with nothing but what the image sets."""
    text = re.sub(r"\\\n", " ", (ROOT / "deploy" / "Dockerfile").read_text()).rpartition("\nFROM ")[2]
    lines = [line.partition(" ")[::2] for line in text.splitlines()]
    image = dict(word.split("=", 1) for command, rest in lines if command == "ENV" for word in shlex.split(rest))
    assert [json.loads(rest) for command, rest in lines if command == "ENTRYPOINT"] == [["reserve"]]
    assert [rest for command, rest in lines if command == "USER"] == ["reserve"]
    assert not [rest for command, rest in lines if command == "CMD"]
    ours = {name: value for name, value in image.items() if name.startswith("RESERVE_")} | {"RESERVE_DATA_DIR": str(tmp_path)}
    for name in PROCESSES:
        ended = run("serve", name, environment=ours)
        assert ended.returncode == REFUSED
        assert f"RESERVE_ENVIRONMENT is production, in which {name} does not start" in ended.stderr


def test_compose_gives_each_role_a_password_that_has_no_default() -> None:
    environments = {name: each.get("environment", {}) for name, each in COMPOSE["services"].items()}
    variables = re.findall(r"\$\{([^}]*)\}", json.dumps(environments))
    assert [each for each in variables if not re.fullmatch(r"[A-Z_]+_PASSWORD:\?.+", each)] == []
    given = {
        f"{name}: {key}"
        for name, each in environments.items()
        for key, value in each.items()
        if key.endswith("_PASSWORD") and "${" not in value
    }
    assert given == set()
    named = {name: re.findall(r"\$\{([A-Z]+_PASSWORD)", OURS[name]["environment"]["DATABASE_URL"]) for name in JOURNALED}
    assert named == {name: [f"{name.upper()}_PASSWORD"] for name in JOURNALED}
    named = {name: re.findall(r"\$\{([A-Z_]+)", OURS[name]["environment"]["RESERVE_KAFKA_PASSWORD"]) for name in JOURNALED}
    assert named == {name: [f"{name.upper()}_KAFKA_PASSWORD"] for name in JOURNALED}


def test_what_compose_is_for_trying_production_refuses(tmp_path: Path) -> None:
    """Its settings with RESERVE_ENVIRONMENT changed: the local issuer and plain HTTP are said of each process."""
    for name, service in OURS.items():
        settings = {key: _filled(value) for key, value in service["environment"].items()}
        assert settings["RESERVE_ENVIRONMENT"] == "local"
        changed = {"RESERVE_ENVIRONMENT": "production", "RESERVE_DATA_DIR": str(tmp_path)}
        ended = run(*service["command"], environment=settings | changed)
        assert ended.returncode == REFUSED, name
        assert re.search(LOCAL_ISSUER, ended.stderr) or "RESERVE_SERVICE_URLS names identity" in ended.stderr
        assert "password" not in ended.stderr, name


def test_each_password_that_the_settings_have_is_looked_at() -> None:
    with_one = {name for name in Settings.model_fields if "password" in name or "secret" in name or name.startswith("database_")}
    settings = Settings(
        database_url="postgresql://a:first@x/r",
        database_owner_url="postgresql://a:second@x/r",
        database_passwords={"ledger": "third"},
        client_secret="fourth",
        kafka_password="fifth",
        kafka_passwords={"ledger": "sixth"},
    )
    assert len(passwords(settings)) == len(with_one)


def _filled(value: str) -> str:
    """As compose does it: each variable is set to something of its own."""
    return re.sub(r"\$\{([A-Z_]+)_PASSWORD:\?[^}]*\}", lambda found: f"{found[1].lower()}-0123456789abcdef", value)
