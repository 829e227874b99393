"""A stage for the ledger's tests: it and inventory, with the real issuer, PostgreSQL and Kafka, in a database and a folder of their own."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec

from reserve.operate.migrate import migrate, role_of
from services.identity.clients import seed
from services.identity.main import create_app as identity_app
from services.inventory.domain.controls import CONTROLS
from services.inventory.events import AuthorityCited
from services.ledger.keys import seed_key
from services.ledger.tiles import TILE_WIDTH, Tile, tile_at
from services.registry import JOURNALED, service
from shared.clock import SystemClock, day_of
from shared.engines.engines import Engines, remembered_ports
from shared.process.app import create_app
from shared.process.service import Kernel, Service
from shared.proofs.signed_note import VerifierKey, parse_verifier_key
from shared.settings import Settings
from shared.terms.countersigning import EVENTS
from shared.writer.commands import Accepted, Context
from tests.kernel.stage import calling, serve
from tests.stories.countersigned import by_two
from tests.waiting import until


class LedgerStage:
    """`key` is the log's, pinned: it came here by another way than the ledger's API."""

    def __init__(self, folder: Path, servers: Engines) -> None:
        self.folder = folder
        self.servers = servers
        self.clients = {client.client_id: client for client in seed(folder, JOURNALED)}
        self.key: VerifierKey = parse_verifier_key(seed_key(folder))
        self.passwords = {name: secrets.token_urlsafe(24) for name in JOURNALED}
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in remembered_ports(folder, ["identity", *JOURNALED]).items()}
        self.address = f"{servers.database_url.rpartition('@')[2].rpartition('/')[0]}/ledger_stage"
        self.inventory: Kernel

    def settings(self, name: str, **changed: Any) -> Settings:
        owner = self.servers.database_url.rpartition("@")[0]
        values = {
            "database_url": f"postgresql://{role_of(name)}:{self.passwords.get(name)}@{self.address}",
            "database_owner_url": f"{owner}@{self.address}",
            **self.servers.kafka_settings(),
            "data_dir": self.folder,
            "service_urls": self.urls,
            "issuer": self.urls["identity"],
            "jwks_url": f"{self.urls['identity']}/.well-known/jwks.json",
            "token_url": f"{self.urls['identity']}/oauth/token",
            "client_id": name,
            "client_secret": self.clients[name].client_secret if name in self.clients else "",
            "ledger_public_key": str(self.key),
            "require_ledger_at_start": False,
            "log_level": "CRITICAL",
        }
        return Settings(**(values | changed))

    async def prepare(self) -> None:
        superuser = await asyncpg.connect(self.servers.database_url)
        await superuser.execute("CREATE DATABASE ledger_stage")
        await superuser.close()
        await migrate(self.settings("ledger"), self.passwords, {})

    @asynccontextmanager
    async def serving(self, serves: Service, **settings: Any) -> AsyncIterator[Kernel]:
        app = create_app(serves, self.settings(serves.name, **settings))
        async with serve(app, port_of(self.urls[serves.name])):
            yield app.state.kernel

    @asynccontextmanager
    async def ledger(self, *, signing: bool = True, **settings: Any) -> AsyncIterator[Kernel]:
        """Serves the ledger; without its task, entries are recorded and nothing is signed."""
        serves = service("ledger")
        async with self.serving(serves if signing else msgspec.structs.replace(serves, tasks=()), **settings) as kernel:
            yield kernel

    @asynccontextmanager
    async def client(self, client_id: str) -> AsyncIterator[httpx.AsyncClient]:
        """A caller of the ledger with its own token."""
        async with calling(self.urls["ledger"], self.urls["identity"], self.clients[client_id]) as http:
            yield http

    async def happen(self, *commands: Any, product: str = "antimony-metal", effective_on: str = "2026-01-06") -> list[str]:
        """Has a stockpile decide commands, and gives the places of the events, but for who proposed and signed: "inventory/0/123"."""
        places: list[str] = []
        on, today = date.fromisoformat(effective_on), day_of(SystemClock().now(), Settings().zone)
        for command in (each for whole in commands for each in by_two(CONTROLS, whole, on, proposed_on=today)):
            context = Context(
                command_id=secrets.token_bytes(32),
                actor="test",
                correlation_id=secrets.token_hex(16),
                causation_id="test",
                effective_on=effective_on,
            )
            answer = await self.inventory.writer.submit(f"stockpile/{product}", command, context)
            assert isinstance(answer, Accepted), answer
            places += [fact.place for fact in answer.facts if not isinstance(fact.event, (*EVENTS, AuthorityCited))]
        return places


@asynccontextmanager
async def a_ledger_stage(servers: Engines, folder: Path) -> AsyncIterator[LedgerStage]:
    stage = LedgerStage(folder, servers)
    await stage.prepare()
    async with AsyncExitStack() as stack:
        issuer = stage.urls["identity"]
        await stack.enter_async_context(serve(identity_app(Settings(issuer=issuer, data_dir=folder)), port_of(issuer)))
        stage.inventory = await stack.enter_async_context(stage.serving(service("inventory")))
        yield stage


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def parts_of(place: str) -> tuple[str, int, int]:
    source, shard, position = place.split("/")
    return source, int(shard), int(position)


async def receipts_of(http: httpx.AsyncClient, places: Sequence[str]) -> list[str]:
    async def receipt(place: str) -> str:
        answer = await http.get(f"/v1/receipts/{place}", params={"wait": 10})
        assert answer.status_code == 200 or "receipt_not_ready" in answer.text, answer.text
        return answer.text if answer.status_code == 200 else ""

    return [await until(lambda place=place: receipt(place)) for place in places]


def tiles_of(size: int) -> list[Tile]:
    """Of the hashes of a log's leaves, which are those of other files' tests, too."""
    return [tile_at(size, 0, index) for index in range(-(-size // TILE_WIDTH))]


async def bundle_of(http: httpx.AsyncClient, tile: Tile) -> httpx.Response:
    """The leaves under a tile of their hashes."""
    return await http.get(f"/v1/{Tile('entries', tile.index, tile.width).path}")


async def rows(http: httpx.AsyncClient, path: str, **query: Any) -> list[dict[str, Any]]:
    """A list, through all of its pages."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await http.get(path, params={**query, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["data"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}
