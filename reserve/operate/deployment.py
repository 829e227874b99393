"""Deployment: all of Reserve in one folder on one machine, under one supervisor."""

import asyncio
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import structlog

from reserve.operate.endpoints import Endpoints
from reserve.operate.kafka_users import as_service, kafka_passwords, kept_passwords
from reserve.operate.migrate import ROOT, migrate, role_of
from reserve.operate.production import refuse_in_production
from services.identity.clients import seed
from services.ledger.keys import pinned_keys, seed_key
from services.registry import JOURNALED, PROCESSES
from shared.engines.engines import engines, remembered_ports
from shared.engines.private_files import private_folder, write_private
from shared.engines.supervisor import Child, Supervisor
from shared.kafka import Kafka, kafka_of
from shared.settings import Rates, Settings

log = structlog.get_logger(__name__)

WRITE_AGAIN_S = 5.0
OURS = (".py", ".lua", ".html", ".css", ".js")  # suffixes of what a service is made of


def serving(name: str, port: int) -> tuple[str, ...]:
    """The arguments of Python that serve a service: by them its processes are found, too."""
    return "-m", "reserve", "serve", name, "--port", str(port)


class Deployment:
    """`port` is the edge's; without one, a free one that is kept. `settings` names servers that exist already, if any.

    `extra_environment` goes to every process, for instance to shift what a test needs. Raises `production.Refused`.
    """

    def __init__(
        self, folder: Path, port: int | None = None, settings: Settings | None = None, extra_environment: dict[str, str] | None = None
    ) -> None:
        given = settings or Settings()
        refuse_in_production("up", given)
        self.folder = private_folder(folder.absolute())
        ports = remembered_ports(self.folder, PROCESSES)
        if port is not None:
            ports["edge"] = port
        self.base_url = f"http://127.0.0.1:{ports['edge']}"
        self.internal_port = remembered_ports(self.folder, ["edge_internal"])["edge_internal"]
        self.urls = {name: f"http://127.0.0.1:{ports[name]}" for name in PROCESSES} | {"edge": f"http://127.0.0.1:{self.internal_port}"}
        self.console_url = f"http://localhost:{ports['edge']}/console"  # by a name: browsers do not take addresses for all they can do
        self.clients = seed(self.folder, JOURNALED, [f"{self.console_url}/callback"])
        self.verifier_key = seed_key(self.folder, given.log_domain)
        self.log_keys = pinned_keys(self.folder)
        self.passwords = kept_passwords(self.folder / "database-passwords.json")
        self.engines = engines(self.folder, given.database_url, kafka_of(given) if given.kafka_bootstrap_servers else None)
        self.kafka_passwords = {} if given.kafka_bootstrap_servers else kafka_passwords(self.folder)
        self.owner_settings = given.model_copy(
            update={
                "database_owner_url": self.engines.database_url,
                **self.engines.kafka_settings(),
                "data_dir": self.folder,
            }
        )
        shift = {} if given.clock_file is None else {"RESERVE_CLOCK_FILE": str(given.clock_file.absolute())}
        self._extra = shift | (extra_environment or {})
        build = _build()
        children = [
            Child(
                name=name,
                argv=(sys.executable, *serving(name, ports[name])),
                env=self.environment(name),
                health_url=f"{self.urls[name]}/readyz",
                live_url=f"{self.urls[name]}/livez",
                build=build,
                carries_answers=name == "edge",
            )
            for name in PROCESSES
        ]
        self.supervisor = Supervisor(self.folder, self.engines.programs, children, prepare=self._prepare)

    async def run(self, on_ready: Any) -> None:
        """Serves until stopped; `on_ready(endpoints)` is called once all is ready."""

        def ready(pids: dict[str, int]) -> None:
            on_ready(self.write_endpoints(pids))

        def restarted(pids: dict[str, int]) -> None:
            try:
                self.write_endpoints(pids)
            except OSError as error:  # a full disk; nothing but people and tools read the file
                log.warning("endpoints_not_written", error=repr(error))
                asyncio.get_running_loop().call_later(WRITE_AGAIN_S, lambda: restarted(self.supervisor.pids))

        await self.supervisor.run(ready, restarted)

    async def _prepare(self) -> None:
        """The addresses are in their file before anything is ready: a service may wait for a command that needs them."""
        await migrate(self.owner_settings, self.passwords, self.kafka_passwords)
        self.write_endpoints(self.supervisor.pids)

    def write_endpoints(self, pids: dict[str, int]) -> Endpoints:
        endpoints = Endpoints(self.base_url, self.urls, self.base_url, self.clients, pids)
        write_private(self.folder / "endpoints.json", msgspec.json.format(msgspec.json.encode(endpoints)))
        return endpoints

    def environment(self, name: str) -> dict[str, str]:
        """All that the process of this name reads from its environment."""
        client = next((client for client in self.clients if client.client_id == name), None)
        return {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "DATABASE_URL": self.database_url(name) if name in JOURNALED else "",
            **self._kafka_environment(name),
            "RESERVE_DATA_DIR": str(self.folder),
            "RESERVE_SERVICE_URLS": msgspec.json.encode(self.urls).decode(),
            "RESERVE_INTERNAL_PORT": str(self.internal_port),
            **{f"RESERVE_{name}".upper(): str(getattr(self.owner_settings, name)) for name in Rates.model_fields},
            "RESERVE_ISSUER": self.base_url,
            "RESERVE_JWKS_URL": f"{self.urls['identity']}/.well-known/jwks.json",
            "RESERVE_TOKEN_URL": f"{self.urls['identity']}/oauth/token",
            "RESERVE_CLIENT_ID": client.client_id if client else "",
            "RESERVE_CLIENT_SECRET": client.client_secret if client else "",
            "RESERVE_LEDGER_PUBLIC_KEY": self.log_keys,
            "RESERVE_CONSOLE_URL": self.console_url,
            **self._extra,
        }

    def kafka(self, name: str) -> Kafka:
        """As the service's own user, where Kafka is ours; otherwise as the one that was given."""
        return as_service(self.engines.kafka, name, self.kafka_passwords) if self.kafka_passwords else self.engines.kafka

    def _kafka_environment(self, name: str) -> dict[str, str]:
        if name not in JOURNALED:
            return {}
        kafka = self.kafka(name)
        return {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.servers,
            "RESERVE_KAFKA_USER": kafka.user,
            "RESERVE_KAFKA_PASSWORD": kafka.password,
            "RESERVE_KAFKA_MECHANISM": kafka.mechanism,
            "RESERVE_KAFKA_TLS": str(kafka.tls).lower(),
        }

    def database_url(self, name: str) -> str:
        """As the service's own role."""
        address = self.engines.database_url.rpartition("@")[2]
        return f"postgresql://{role_of(name)}:{self.passwords[name]}@{address}"


def _build() -> str:
    """What the services' code is now: a service of before is not gone on with."""
    found = (file for folder in ("services", "shared", "reserve") for file in (ROOT / folder).rglob("*.*"))
    files = sorted(file for file in found if file.suffix in OURS)
    stats = [(str(file), (stat := file.stat()).st_mtime_ns, stat.st_size) for file in files]
    return sha256(repr(stats).encode()).hexdigest()
