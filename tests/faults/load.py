"""A steady load of draws that are repeated under their key until they are answered, and what must be true of them afterwards."""

import asyncio
import base64
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec

from reserve.audit.history import audit
from reserve.audit.live import LiveEvidence
from reserve.client import Client
from services.registry import JOURNALED
from shared.journal.places import FIRST, Place
from shared.proofs.signed_note import parse_verifier_key
from tests.e2e.lending import LOANS, advanced_loan, something_of_each
from tests.e2e.world import World
from tests.waiting import HANGS_AFTER_S, until

UNIT_G = 1_000
PAYMENT_PAUSE_S = 0.1
PAUSE_S = 0.05  # of each client between two draws: some draw is under way whenever something breaks
WAITING_S = 0.5  # while a supervisor, or another leader, takes its time
BULK_UNITS = 5  # that are drawn in one request
DRAWN = "inventory.stock_drawn.v1"
PAID = "loans.payment_recorded.v1"


class Drawer:
    """One client that draws a unit, and when that is answered the next."""

    def __init__(self, world: World, partner: str, release: str) -> None:
        self.partner = partner
        self.release = release
        self.answers: dict[str, Any] = {}  # by key: what was acknowledged
        self.at: Client | None = None  # of an inventory process to draw at; None: through the edge
        self.pause_s = 0.0  # between an answer and the next draw
        self.longest_wait_s = 0.0  # of a draw for its answer, repeats included
        self._world = world
        self._stop = False
        self._answered = asyncio.Event()

    def key(self, number: int) -> str:
        return f"{self.release}-{number}"

    async def run(self) -> None:
        for number in itertools.count(len(self.answers)):
            if self._stop:
                return
            asked = time.monotonic()
            answer = await self.draw(self.key(number))
            self.longest_wait_s = max(self.longest_wait_s, time.monotonic() - asked)
            self.answers[self.key(number)] = answer
            self._answered.set()
            await asyncio.sleep(self.pause_s)

    async def draw(self, key: str) -> Any:
        if self.at is not None:
            return await self.at.post(f"/v1/releases/{self.release}/draws", {"mass_g": UNIT_G}, key=key)
        return (await self._world.drawn(self.partner, self.release, UNIT_G, key=key)).body

    async def has(self, count: int) -> None:
        while len(self.answers) < count:
            self._answered.clear()
            await self._answered.wait()

    def stop(self) -> None:
        self._stop = True


class BulkDrawer(Drawer):
    """One client that draws a few units in one request, and when that is answered the next: by turns each by itself, and all or none."""

    async def run(self) -> None:
        for first in itertools.count(len(self.answers), BULK_UNITS):
            if self._stop:
                return
            asked = time.monotonic()
            keys = [self.key(first + number) for number in range(BULK_UNITS)]
            asks = [{"idempotency_key": key, "release": self.release, "mass_g": UNIT_G} for key in keys]
            body = {"items": asks, "atomic": bool(first // BULK_UNITS % 2)}
            client, items = self._world.partner(self.partner), []
            while [item["status"] for item in items] != [201] * BULK_UNITS:  # an item may be told to come again, as a draw by itself may
                items = (await client.post("/inventory/v1/draws/bulk", body, key=f"bulk-of-{keys[0]}"))["items"]
                assert {item["status"] for item in items} <= {201, 429, 503}, items
            self.longest_wait_s = max(self.longest_wait_s, time.monotonic() - asked)
            self.answers |= {key: item["body"] for key, item in zip(keys, items, strict=True)}
            self._answered.set()
            await asyncio.sleep(self.pause_s)


class Payer(Drawer):
    """One client that pays a cent of a loan at no interest, and when that is answered the next."""

    def __init__(self, world: World, loan: str) -> None:
        super().__init__(world, "AU", loan)
        self.loan = loan
        self._received_on = world.in_days(0)

    async def draw(self, key: str) -> Any:
        """Slower than a draw: all of them stay in the loan's state."""
        await asyncio.sleep(PAYMENT_PAUSE_S)
        body = {"reference": key, "amount_minor": 1, "received_on": self._received_on}
        return (await self._world.post(self._world.operator, f"{LOANS}/{self.loan}/payments", body, key=key)).body


class Load:
    """Draws going on while the block runs; at its end each of them is answered. `pause_s`: of each client between two draws."""

    def __init__(self, drawers: Sequence[Drawer], pause_s: float = PAUSE_S) -> None:
        self.drawers = list(drawers)
        self._pause_s = pause_s
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Load":
        for drawer in self.drawers:
            drawer._stop, drawer.pause_s, drawer.longest_wait_s = False, self._pause_s, 0.0
        self._tasks = [asyncio.create_task(drawer.run()) for drawer in self.drawers]
        return self

    async def __aexit__(self, *_: object) -> None:
        for drawer in self.drawers:
            drawer.stop()
        await asyncio.gather(*self._tasks)

    def pauses(self, pause_s: float = WAITING_S) -> None:
        """Of each client, from now on. While something broken is waited for they are long: every later audit reads all draws."""
        for drawer in self.drawers:
            drawer.pause_s = pause_s

    @property
    def longest_wait_s(self) -> float:
        return max(drawer.longest_wait_s for drawer in self.drawers)

    async def goes_on(self, more: int) -> None:
        """Each of the clients has had so many more draws acknowledged. Fails at once when one of them is refused."""
        goals = [asyncio.create_task(drawer.has(len(drawer.answers) + more)) for drawer in self.drawers]
        all_there = asyncio.gather(*goals)
        async with asyncio.timeout(HANGS_AFTER_S):
            await asyncio.wait([all_there, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        for ended in self._tasks:
            if ended.done():
                ended.result()
        await all_there


async def drawers_of(world: World, partners: Sequence[str], product: str, units_each: int) -> list[Drawer]:
    """A client for each of the partners, with a release each. The last one draws in bulk."""
    kinds = [Drawer] * (len(partners) - 1) + [BulkDrawer]
    releases = [await world.released_to(partner, product, units_each * UNIT_G) for partner in partners]
    return [kind(world, partner, release) for kind, partner, release in zip(kinds, partners, releases, strict=True)]


async def payer_of(world: World) -> Payer:
    """Of a loan, beside a holding and material that is out."""
    await something_of_each(world)
    loan, _ = await advanced_loan(world, 100_000, base_pct="0", margin_pct="0")
    return Payer(world, loan)


async def all_are_ready(world: World) -> None:
    async with httpx.AsyncClient(timeout=HANGS_AFTER_S) as http:

        async def ready() -> bool:
            try:
                answers = [await http.get(f"{url}/readyz") for url in world.running.endpoints.services.values()]
                return all(answer.status_code == 200 for answer in answers)
            except httpx.TransportError:
                return False

        await until(ready)


async def place_of_head(world: World, name: str, shard: int, position: int) -> str:
    """Of a service's last event in a shard, which may be of any history."""
    [last] = (await world.auditor.get(f"/{name}/v1/journal", shard=shard, after=position - 1, limit=1))["records"]
    return str(Place(name, shard, position, last.get("history", FIRST)))


async def assert_nothing_is_lost_or_doubled(world: World, product: str, taken_in_g: int, drawers: Sequence[Drawer]) -> int:
    """Every acknowledged draw is recorded once, by inventory and by the ledger; grams are conserved; each line goes on.

    Gives how many are recorded.
    """
    await assert_no_line_stands_still(world)
    recorded = Counter(
        msgspec.json.decode(base64.b64decode(record["data_base64"]))["draw"]
        for record in await world.events("inventory", f"stockpile/{product}")
        if record["type"] == DRAWN
    )
    acknowledged = [answer["draw"] for drawer in drawers for answer in drawer.answers.values()]
    assert len(set(acknowledged)) == len(acknowledged)
    assert recorded == Counter(acknowledged), "each recorded draw was acknowledged: none was given up, so none is beyond"

    drawn_g = {drawer.partner: 0 for drawer in drawers}
    for drawer in drawers:
        drawn_g[drawer.partner] += len(drawer.answers) * UNIT_G
        assert [answer["remaining_g"] for answer in drawer.answers.values()] == sorted(
            (answer["remaining_g"] for answer in drawer.answers.values()), reverse=True
        )
    stock = (await world.operator.get(f"/inventory/v1/products/{product}"))["balances"]
    assert stock["drawn_g"] == sum(drawn_g.values())
    assert stock["available_g"] + stock["released_g"] + stock["drawn_g"] == taken_in_g

    heads = (await world.heads())["inventory"]
    for shard, head in heads.items():
        if head["position"]:
            place = await place_of_head(world, "inventory", int(shard), head["position"])
            await world.auditor.get("/ledger/v1/flags", limit=1, at_least=place)
    books = await world.balances(product)
    for partner, grams in drawn_g.items():
        assert books[f"title/partner/{partner}"] == grams
    assert books["title/reserve/available"] == taken_in_g - sum(drawn_g.values())
    assert books["custody/depot/Kwinana"] == taken_in_g
    assert await world.rows(world.auditor, "/ledger/v1/flags") == []
    return recorded.total()


async def assert_no_payment_is_lost_or_doubled(world: World, payer: Payer) -> int:
    """Every acknowledged payment is recorded once, and the loan says that it has all of the money. Gives how many are recorded."""
    recorded = Counter(
        msgspec.json.decode(base64.b64decode(record["data_base64"]))["payment"]
        for record in await world.events("loans", f"loan/{payer.loan}")
        if record["type"] == PAID
    )
    assert recorded == Counter(answer["payment"] for answer in payer.answers.values())
    assert set(recorded.values()) <= {1}
    figures = (await world.operator.get(f"{LOANS}/{payer.loan}/standing"))["figures"]
    assert figures["repaid_minor"] + figures["credit_minor"] == recorded.total()
    return recorded.total()


async def assert_the_ledger_has_each_once(world: World, drawers: Sequence[Drawer]) -> None:
    entries = Counter(
        f"{entry['source']}/{entry['shard']}/{entry['position']}"
        for entry in await world.rows(world.auditor, "/ledger/v1/entries", source="inventory", limit=200)
        if entry["type"] == DRAWN
    )
    places = [answer["place"] for drawer in drawers for answer in drawer.answers.values()]
    assert {place: entries[place] for place in places} == dict.fromkeys(places, 1)


async def assert_the_whole_history_holds(world: World) -> None:
    """As `reserve audit verify --live` sees it, once a checkpoint covers what commands did. The log's own heartbeats go on."""
    for name, shards in (await world.at_rest()).items():
        for shard, head in shards.items():
            if head["position"]:
                await world.receipt(world.auditor, await place_of_head(world, name, int(shard), head["position"]))
    pinned = parse_verifier_key((world.running.folder / "keys" / "ledger.vkey").read_text().strip())
    report = await audit(LiveEvidence(world.auditor), [pinned])
    assert {result.check: result.failures for result in report.checks if result.failed} == {}
    assert report.ok


async def assert_no_line_stands_still(world: World) -> None:
    for name in JOURNALED:
        for line, state in (await world.auditor.get(f"/{name}/v1/inbox")).items():
            assert (name, line, state["stopped"], state["parked"]) == (name, line, None, [])
