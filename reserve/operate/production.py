"""Production: what it refuses to start with. All that is found is said at once, each with its setting and with what would do."""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from services.registry import JOURNALED
from shared.settings import Settings

SHORTEST_PASSWORD = 16  # characters
DEFAULTS = frozenset({"admin", "changeme", "password", "postgres", "reserve", "secret"})
ISSUER = ("issuer", "jwks_url", "token_url")
OF_THE_ISSUER = {"console": ("issuer", "token_url", "authorize_url"), "edge": ("issuer", "jwks_url")}  # the addresses that each is told
ON_DATABASE = "a command on the database"
OF_FOLDER = "a client of the folder"  # whose secret is the local issuer's
SHORTEST_KEY = 32  # characters
OF_EVERYTHING = ("up", "demo")  # processes of one folder on one machine, the local issuer with them


class Refused(Exception):
    """Production does not start so. What is printed has a line for each reason."""


def refuse_in_production(process: str, settings: Settings, user_id: int | None = None) -> None:
    """`process`: what is to be started, a service, `edge`, `migrate`, `up`, ON_DATABASE or OF_FOLDER. Nothing is refused locally.

    Raises Refused.
    """
    if settings.environment != "production":
        return
    if found := [*objections(process, settings, os.geteuid() if user_id is None else user_id)]:
        raise Refused("\n  ".join([f"RESERVE_ENVIRONMENT is production, in which {process} does not start:", *found]))


def objections(process: str, settings: Settings, user_id: int) -> Iterator[str]:
    yield from _local_issuer(process, settings)
    yield from _plain_http(process, settings)
    yield from _open_files(settings)
    yield from _passwords(process, settings)
    yield from _sessions(process, settings)
    yield from _drills(settings)
    if user_id == 0:
        yield "It is started as root: start it as a user of its own, as deploy/Dockerfile does."


def _local_issuer(process: str, settings: Settings) -> Iterator[str]:
    ours = "set RESERVE_ISSUER, RESERVE_JWKS_URL and RESERVE_TOKEN_URL to those of your OpenID provider"
    if process in (*OF_EVERYTHING, "identity", OF_FOLDER):
        yield f"The local issuer, whose secrets are in a file, would make the tokens: {ours}, and start each service by `reserve serve`."
    elif "identity" in settings.service_urls:
        yield f"RESERVE_SERVICE_URLS names identity, the local issuer: leave it out, and {ours}."
    elif process != "migrate" and settings.issuer and _is_here(settings.issuer):
        yield f"RESERVE_ISSUER is {settings.issuer}, an issuer of this machine: {ours}."


def _plain_http(process: str, settings: Settings) -> Iterator[str]:
    """Between callers and the edge, and on the way to the issuer. A network of the services' own carries what they say to each other."""
    if asked := OF_THE_ISSUER.get(process, ISSUER if process in JOURNALED else ()):
        for name in asked:
            if not (url := getattr(settings, name)):
                yield f"RESERVE_{name.upper()} is not set: set it to an address of your OpenID provider that begins with https://."
            elif not url.startswith("https://"):
                yield f"RESERVE_{name.upper()} is {url}, where everybody on the way reads along: set an address that begins with https://."
    if process in ("edge", *OF_EVERYTHING) and not (settings.tls_certificate and settings.tls_key):
        yield "The edge would answer over plain HTTP: set RESERVE_TLS_CERTIFICATE and RESERVE_TLS_KEY to a certificate and its key, in PEM."


def _open_files(settings: Settings) -> Iterator[str]:
    folder = settings.data_dir
    private = [folder, *sorted(folder.glob("keys/**/*.pem")), *sorted(folder.glob("*.json"))]
    for path in [*private, *([settings.tls_key] if settings.tls_key else [])]:
        if path.exists() and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
            setting = "RESERVE_TLS_KEY" if path == settings.tls_key else "RESERVE_DATA_DIR"
            yield f"{path} ({setting}) is open to other users (mode {mode:04o}): chmod {'700' if path.is_dir() else '600'} {path}."


def _passwords(process: str, settings: Settings) -> Iterator[str]:
    found = passwords(settings)
    for name, password in found.items():
        if password.lower() in DEFAULTS or len(password) < SHORTEST_PASSWORD:
            yield f"The password in {name} is a default, or short: set a random one of {SHORTEST_PASSWORD} characters or more."
    for password, times in Counter(found.values()).items():
        if times > 1:
            names = " and ".join(name for name, each in found.items() if each == password)
            yield f"{names} have one password: set one for each."
    yield from _nobody_in_kafka(process, settings)
    role = f"reserve_{process}"
    if process in JOURNALED and (user := urlsplit(settings.database_url).username) != role:
        yield f"DATABASE_URL logs in as {user}: set the address of {process}'s own role, {role}, with a password that no other role has."
    if process == ON_DATABASE and not settings.database_owner_url:
        yield "DATABASE_OWNER_URL is not set, so it would work on a folder of `reserve up`: set it."
    if process in JOURNALED and settings.database_owner_url:
        yield "DATABASE_OWNER_URL is for `reserve migrate` and the tools: leave it out where a service runs."


def _nobody_in_kafka(process: str, settings: Settings) -> Iterator[str]:
    if process not in (*JOURNALED, "migrate"):
        return
    if not (settings.kafka_user and settings.kafka_password):
        yield "RESERVE_KAFKA_USER and RESERVE_KAFKA_PASSWORD are not set: set those of a user that writes to its own topic alone."
    elif settings.kafka_mechanism == "PLAIN" and not settings.kafka_tls:
        yield "RESERVE_KAFKA_MECHANISM is PLAIN, by which secrets are sent in the clear: set RESERVE_KAFKA_TLS to true, or SCRAM-SHA-256."


def passwords(settings: Settings) -> dict[str, str]:
    """Those that the settings have, by the setting that has them."""
    urls = {"DATABASE_URL": settings.database_url, "DATABASE_OWNER_URL": settings.database_owner_url}
    found = {name: unquote(urlsplit(url).password or "") for name, url in urls.items() if url}
    found |= {f"RESERVE_DATABASE_PASSWORDS ({name})": password for name, password in settings.database_passwords.items()}
    found |= {f"RESERVE_KAFKA_PASSWORDS ({name})": password for name, password in settings.kafka_passwords.items()}
    found |= {"RESERVE_KAFKA_PASSWORD": settings.kafka_password, "RESERVE_CLIENT_SECRET": settings.client_secret}
    return {name: password for name, password in found.items() if password or name == "DATABASE_URL"}


def _sessions(process: str, settings: Settings) -> Iterator[str]:
    if process != "console":
        return
    if len(settings.console_key) < SHORTEST_KEY:
        yield f"RESERVE_CONSOLE_KEY is not set, or short: set a random one of {SHORTEST_KEY} characters or more, the same for each console."
    if not settings.console_url.startswith("https://"):
        yield "RESERVE_CONSOLE_URL is no address that begins with https://: set that of the console, as browsers have it."


def _drills(settings: Settings) -> Iterator[str]:
    if settings.clock_file is not None:
        yield f"RESERVE_CLOCK_FILE is {settings.clock_file}, and shifts the time: leave it out, the clock of production is the machine's."
    if not settings.require_ledger_at_start:
        yield "RESERVE_REQUIRE_LEDGER_AT_START is false, so a start could write over a journal of the past: leave it out."


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
