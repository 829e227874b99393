"""The world of the end-to-end tests: a deployment, its parties with tokens of their own, and sentences about what they do.

Every sentence goes through the public API behind the edge. One that has an effect elsewhere waits for the position that its answer
names, never for time to pass.
"""

import itertools
import os
import secrets
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import ECKey

from reserve.audit.evidence import SOURCES
from reserve.client import Client, ProblemAnswer
from reserve.demo.instruments import empower
from reserve.demo.registrar import Registrar
from services.registry import JOURNALED
from shared.clock import day_of
from shared.http.duty import ON_CALL, scope_of
from shared.proofs.signed_note import parse_verifier_key
from tests.documented import Documented
from tests.e2e.running import Running
from tests.waiting import HANGS_AFTER_S, until

CONSIGNEE = "Toyo Logistics"  # that requests name
UNIT_G = 5_000_000  # a bundle of antimony ingots: 5 t
PARTNERS = {"JP": "Japan", "US": "United States", "EU": "European Union", "AU": "Australia"}
SYDNEY = ZoneInfo("Australia/Sydney")


class Answer(msgspec.Struct, frozen=True):
    """What a POST gave. `position`: where its events stand."""

    body: Any
    position: str

    def __getitem__(self, name: str) -> Any:
        return self.body[name]


class World:
    """`clients` by client id. An approver's key is here, since it is the approver's own: no service holds it."""

    def __init__(self, running: Running, clock_file: Path | None, clients: dict[str, Client]) -> None:
        self.running = running
        self.clock_file = clock_file
        self.clients = clients
        self.operator = clients["operator-1"]
        self.payer = clients["operator-2"]  # of advances: another than has asked for them
        self.weigher = clients["operator-2"]  # of draws: another than dispatches them
        self.auditor = clients["auditor-1"]
        self.admin = clients["admin-1"]
        self.keys = {client_id: Ed25519PrivateKey.generate() for client_id in ("approver-1", "approver-2")}
        log_key = parse_verifier_key((running.folder / "keys" / "ledger.vkey").read_text().strip())
        self.registrar = Registrar(lambda path, body: self.post(self.admin, f"/allocation{path}", body), log_key.name)
        self._numbers = itertools.count(1)
        self._instruments: dict[str, str] = {}  # by holder
        self._policies: dict[bytes, str] = {}  # their names, by what they say

    def partner(self, code: str) -> Client:
        return self.clients[f"partner-{code.lower()}"]

    # Time

    @property
    def today(self) -> date:
        """The reserve's day."""
        shift = timedelta(0) if self.clock_file is None else timedelta(seconds=float(self.clock_file.read_text()))
        return day_of(datetime.now(UTC) + shift, SYDNEY)

    def in_days(self, days: int) -> str:
        return (self.today + timedelta(days=days)).isoformat()

    async def days_pass(self, days: int) -> None:
        """Once all that follows from what was done is recorded, is in the log, and witnessed: after that it would be late by days."""
        await self.at_rest()
        await until(self._all_witnessed)
        self.move_on(days)

    async def _all_witnessed(self) -> bool:
        recorded = 0
        for name in SOURCES:
            heads = (await self.auditor.get(f"/{name}/v1/journal/heads")).values()
            recorded += sum(head["position"] for head in heads)
        try:
            note = (await self.auditor.request("GET", "/ledger/v1/checkpoint", query={"grade": "witnessed"})).text
        except ProblemAnswer as problem:
            assert problem.code == "checkpoint_not_found", problem
            return False
        return int(note.splitlines()[1]) == recorded

    def move_on(self, days: int) -> None:
        """The clock of every service goes forward by whole days."""
        assert self.clock_file is not None and days > 0, "recorded time never goes back"
        moved = self.clock_file.with_suffix(".new")
        moved.write_text(str(float(self.clock_file.read_text()) + days * 86400))
        moved.replace(self.clock_file)

    # Calls

    async def post(self, client: Client, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Answer:
        """Raises ProblemAnswer."""
        sent = {"Idempotency-Key": key or secrets.token_hex(16), **headers}
        answer = await client.request("POST", path, body=body, headers=sent)
        return Answer(msgspec.json.decode(answer.content), answer.headers["Reserve-Position"])

    async def rows(self, client: Client, path: str, **query: Any) -> list[Any]:
        return [row async for row in client.rows(path, **query)]

    async def heads(self) -> dict[str, Any]:
        """Where each journal ends: {service: {shard: {position, chain_hash}}}."""
        return {name: await self.auditor.get(f"/{name}/v1/journal/heads") for name in JOURNALED}

    async def at_rest(self) -> dict[str, Any]:
        """The heads of the journals that commands are for, once every line has taken all of them: none moves by itself any more.
        The ledger's goes on, when it signs what it has recorded."""
        commanded = [name for name in JOURNALED if name != "ledger"]

        async def still() -> dict[str, Any] | None:
            heads = {name: await self.auditor.get(f"/{name}/v1/journal/heads") for name in commanded}
            for name in JOURNALED:
                for line, state in (await self.auditor.get(f"/{name}/v1/inbox")).items():
                    source, shard = line.split("/")
                    if source in heads and state["position"] != heads[source][shard]["position"]:
                        return None
            again = {name: await self.auditor.get(f"/{name}/v1/journal/heads") for name in commanded}
            return heads if heads == again else None

        heads = await until(still)
        assert heads is not None
        return heads

    async def events(self, service: str, stream: str) -> list[Any]:
        """Every event of one stream, as the auditor reads them."""
        found = []
        for shard in await self.auditor.get(f"/{service}/v1/journal/heads"):
            after = 0
            while records := (await self.auditor.get(f"/{service}/v1/journal", shard=int(shard), after=after))["records"]:
                found += [record for record in records if record["stream"] == stream]
                after = records[-1]["position"]
        return found

    async def subject(self, client_id: str) -> str:
        """The opaque id that the issuer knows the party by."""
        key = ECKey.import_key((self.running.folder / "keys" / "issuer.pem").read_bytes())
        subject: str = jwt.decode(await self.clients[client_id].token(), key, algorithms=["ES256"]).claims["sub"]
        return subject

    # What there is

    async def registered(self, instrument: dict[str, Any]) -> Any:
        """An instrument that inventory and loans know of as well."""
        made = await self.registrar.register(instrument)
        for path in ("/inventory/v1/releases", "/loans/v1/loans"):
            await self.operator.get(path, at_least=made.position)
        return made.body

    async def countersigned(self, path: str, body: Any, approver: str = "approver-1", service: str = "inventory") -> Answer:
        """What an operator proposes, and an approver signs."""
        return await self.by_two(self.operator, f"/{service}/v1/{path}", body, approver=approver)

    async def by_two(self, proposer: Client, path: str, body: Any, *, approver: str = "approver-1", key: str | None = None) -> Answer:
        """What one person proposes, and an approver signs. `key`: the same proposal, whoever sends it again."""
        proposed = await self.post(proposer, path, body, key=key)
        signed = await self.approval(proposed["document"], approver, "command")
        approvals = f"/{path.split('/')[1]}/v1/proposals/{proposed['proposal']}/approvals"
        return await self.post(self.clients[approver], approvals, signed, key=None if key is None else f"{key}-signed")

    async def registered_product(self, unit_g: int = UNIT_G) -> str:
        """A product that no other test has, known to inventory and allocation."""
        product = f"antimony-{next(self._numbers)}-{secrets.token_hex(3)}"
        made = await self.countersigned("products", product_body(product, unit_g))
        await self.operator.get("/allocation/v1/stock", at_least=made.position)

        async def has_a_book() -> bool:
            return any(row["product"] == product for row in await self.operator.get("/allocation/v1/stock"))

        await until(has_a_book)
        return product

    async def taken_in(self, product: str, units: int, **changed: Any) -> str:
        """A lot in specification. Allocation knows of it."""
        made = await self.countersigned("lots", self.lot_body(product, units, **changed))
        await self.operator.get("/allocation/v1/stock", at_least=made.position)
        lot: str = made["command"]["lot"]
        return lot

    def lot_body(self, product: str, units: int, **changed: Any) -> dict[str, Any]:
        assay = {
            "report": "SGS-2211",
            "laboratory": "SGS Perth",
            "assayed_on": self.in_days(-30),
            "contents": {"Sb": "0.9965"},
            "in_specification": True,
        }
        body = {
            "product": product,
            "depot": "Kwinana",
            "units": units,
            "nominal_unit_g": UNIT_G,
            "serials": [],
            "origin": "AU, Costerfield",
            "custody_model": "segregated",
            "assay": assay,
            "expires_on": None,
        }
        return body | changed

    async def right_to(self, product: str, mass_g: int) -> str:
        """A firm right that may be drawn now."""
        body = {
            "product": product,
            "project": "Hillgrove",
            "kind": "firm_offtake",
            "mass_g": mass_g,
            "window_from": self.in_days(0),
            "window_to": self.in_days(400),
        }
        made = await self.countersigned("rights", body)
        await self.operator.get("/allocation/v1/stock", at_least=made.position)
        right: str = made["command"]["right"]
        return right

    async def agreed_with(self, partner: str, product: str, quota_g: int = 10**12) -> str:
        body = {
            "partner": partner,
            "products": [{"product": product, "yearly_quota_g": quota_g, "share": "1/4"}],
            "priority_class": 1,
            "valid_from": self.in_days(0),
            "valid_until": self.in_days(3650),
        }
        agreement: str = (await self.countersigned("agreements", body, service="allocation"))["command"]["agreement"]
        return agreement

    async def no_longer_listed(self, of: str) -> None:
        """The screening list is withdrawn."""
        await self.countersigned(f"screening-lists/{of}/withdraw", {"reason": "the test is over"}, service="allocation")

    async def disrupted(self, partner: str, product: str) -> str:
        body = {
            "instrument": "MOFCOM 2026-1",
            "products": [product],
            "declared_scope": "all exports",
            "observed_scope": "Rotterdam",
            "partners": [partner],
            "starts_on": self.in_days(0),
            "evidence": ["customs notice"],
        }
        disruption: str = (await self.countersigned("disruptions", body, service="allocation"))["command"]["disruption"]
        return disruption

    # From a request to a release

    def request_body(self, product: str, mass_g: int, **changed: Any) -> dict[str, Any]:
        body = {
            "product": product,
            "mass_g": mass_g,
            "minimum_g": 0,
            "daily_consumption_g": 1_000_000,
            "needed_by": self.in_days(180),
            "nominee": "Kyushu Smelting",
            "consignee": CONSIGNEE,
            "end_user": "Kyushu Smelting",
            "end_use": "flame retardants",
        }
        return body | changed

    async def requested(self, partner: str, product: str, mass_g: int, **changed: Any) -> str:
        request: str = (await self.post(self.partner(partner), "/allocation/v1/requests", self.request_body(product, mass_g, **changed)))[
            "request"
        ]
        return request

    async def accepted(self, request: str, accepted_g: int) -> None:
        await self.post(
            self.operator, f"/allocation/v1/requests/{request}/accept", {"accepted_g": accepted_g, "reasons": ["within the stated need"]}
        )

    async def policy(self, **terms: Any) -> str:
        """An active policy that says this, and for the rest what is standard."""
        said = msgspec.json.encode(terms)
        if said not in self._policies:
            name = f"policy-{secrets.token_hex(4)}"
            versions = f"/allocation/v1/policies/{name}/versions"
            await self.post(self.operator, versions, {"terms": terms})
            await self.post(self.operator, f"{versions}/1/submit")
            approver = self.clients["approver-1"]
            document = await approver.request("GET", f"{versions}/1/document")
            signed = await self.approval(sha256(document.content).hexdigest(), purpose="policy")
            await self.post(approver, f"{versions}/1/approvals", signed)
            self._policies[said] = name
        return self._policies[said]

    async def opened(self, product: str, requests: Sequence[str], *, release_days: int = 90, **changed: Any) -> str:
        body = {"product": product, "requests": list(requests), "policy": await self.policy(release_days=release_days)}
        round: str = (await self.post(self.operator, "/allocation/v1/rounds", body | changed))["round"]
        return round

    async def proposed(self, round: str, supply_g: int) -> str:
        """The decision's SHA-256."""
        decision: str = (await self.post(self.operator, f"/allocation/v1/rounds/{round}/propose", {"supply_g": supply_g}))["decision"]
        return decision

    async def approval(
        self,
        document: str,
        approver: str = "approver-1",
        purpose: str = "decision",
        key: Ed25519PrivateKey | None = None,
        authority: str | None = None,
    ) -> dict[str, Any]:
        """What `reserve approve` writes, signed with the approver's own key, under the widest instrument of theirs."""
        subject = await self.subject(approver)
        authority = authority or await self._widest_instrument(subject)
        return self.registrar.sign(document, purpose, subject, key=key or self.keys[approver], authority=authority)

    async def _widest_instrument(self, subject: str) -> str:
        if subject not in self._instruments:
            held = [row for row in await self.rows(self.auditor, "/allocation/v1/instruments", holder=subject) if row["ended_on"] is None]
            self._instruments[subject] = max(held, key=lambda row: (row["limit_g"] is None, len(row["acts"])))["instrument"]
        return self._instruments[subject]

    def forget_instruments(self) -> None:
        """Others have been registered by hand."""
        self._instruments.clear()

    async def approved(self, round: str, decision: str, approver: str = "approver-1") -> None:
        await self.post(self.clients[approver], f"/allocation/v1/rounds/{round}/approvals", await self.approval(decision, approver))

    async def certified(self, round: str) -> Answer:
        path = f"/allocation/v1/rounds/{round}"
        attestation = await self.attestation((await self.operator.get(path))["decision"])
        return await self.post(self.operator, f"{path}/certify", {"attestation": attestation})

    async def attestation(self, decision: str | None) -> dict[str, Any]:
        """By the operator, who certifies it."""
        key = await self.operators_key()
        return self.registrar.sign(decision or "0" * 64, "attestation", await self.subject("operator-1"), key=key, authority=None)

    async def operators_key(self) -> Ed25519PrivateKey:
        """Their own, by which they attest what they certify."""
        subject = await self.subject("operator-1")
        if subject not in self.registrar.keys:
            await self.registrar.enrol(subject, Ed25519PrivateKey.generate())
        return self.registrar.keys[subject]

    async def decided(self, product: str, requests: Sequence[str], supply_g: int, **changed: Any) -> tuple[str, Answer]:
        """(round, certificate's answer) of a round opened, proposed, approved and certified. What is signed just before, such as an
        agreement, may reach the book after the decision, which lapses: then it is proposed and approved again."""
        round = await self.opened(product, requests, **changed)

        async def certified() -> Answer | None:
            try:
                await self.approved(round, await self.proposed(round, supply_g))
                return await self.certified(round)
            except ProblemAnswer as problem:
                if problem.code not in ("round_not_proposed", "approvals_missing"):
                    raise
                return None

        answer = await until(certified)
        assert answer is not None
        return round, answer

    async def releases_of(self, round: str, certified: Answer) -> list[Any]:
        """The round's releases, once inventory has taken its certificate."""
        rows = await self.rows(self.operator, "/inventory/v1/releases", at_least=certified.position)
        return [row for row in rows if row["round"] == round]

    async def released_to(self, partner: str, product: str, mass_g: int, **round_changed: Any) -> str:
        """A release of this mass, by the whole way from a request on. The product has the stock for it."""
        await self.agreed_with(partner, product)
        request = await self.requested(partner, product, mass_g)
        await self.accepted(request, mass_g)
        round, certified = await self.decided(product, [request], mass_g, **round_changed)
        [release] = await self.releases_of(round, certified)
        assert (release["partner"], release["mass_g"], release["status"]) == (partner, mass_g, "open")
        identifier: str = release["release"]
        return identifier

    async def webhook(self, partner: str) -> str:
        """One that nobody answers at."""
        registered = await self.post(self.partner(partner), "/ledger/v1/webhooks", {"url": "http://127.0.0.1:9/"})
        identifier: str = registered["webhook"]
        return identifier

    async def stocked_release(self, partner: str, units: int, **round_changed: Any) -> tuple[str, str, str]:
        """(product, lot, release): a new product of which all there is is released to one partner."""
        product = await self.registered_product()
        lot = await self.taken_in(product, units)
        return product, lot, await self.released_to(partner, product, units * UNIT_G, **round_changed)

    # From a release to a dispatch

    async def drawn(self, partner: str, release: str, mass_g: int, *, key: str | None = None, **changed: Any) -> Answer:
        return await self.post(self.partner(partner), f"/inventory/v1/releases/{release}/draws", {"mass_g": mass_g, **changed}, key=key)

    async def receipt(self, client: Client, place: str, *, grade: str = "signed") -> str:
        """The ledger's receipt of the event at a place, once a checkpoint of that grade covers it."""

        async def text() -> str:
            try:
                return (await client.request("GET", f"/ledger/v1/receipts/{place}", query={"wait": 10, "grade": grade})).text
            except ProblemAnswer as problem:
                if problem.code != "receipt_not_ready":
                    raise
                return ""

        return await until(text)

    async def weighed(self, draw: str, weighed_g: int) -> Answer:
        return await self.post(self.weigher, f"/inventory/v1/draws/{draw}/weighing", {"weighed_g": weighed_g})

    def on_duty(self, client_id: str) -> Client:
        """With a token of a shift. To be entered."""
        return Client.of(self.running.endpoints, client_id, scope=scope_of(ON_CALL))

    async def weighed_again(self, draw: str, weighed_g: int) -> Answer:
        """By a second person on call, after the first has found so little."""
        await self.weighed(draw, weighed_g)
        async with self.on_duty("operator-1") as second:
            return await self.post(second, f"/inventory/v1/draws/{draw}/second-weighing", {"weighed_g": weighed_g})

    async def dispatched(self, draw: str, consignee: str = CONSIGNEE) -> Answer:
        """Once inventory knows of a checkpoint that covers the draw."""

        async def tried() -> Answer | None:
            try:
                return await self.post(self.operator, f"/inventory/v1/draws/{draw}/dispatch", DISPATCH | {"consignee": consignee})
            except ProblemAnswer as problem:
                if problem.code not in ("receipt_missing", "receipt_not_witnessed"):
                    raise
                return None

        answer = await until(tried)
        assert answer is not None
        return answer

    async def held(self, scope: str, target: str | None, **changed: Any) -> str:
        body = {"scope": scope, "target": target, "reason": "under inquiry", "authority": "Reserve Act s 12"}
        hold: str = (await self.post(self.operator, "/inventory/v1/holds", body | changed))["hold"]
        return hold

    async def lifted(self, hold: str) -> None:
        """Once allocation, whose rounds go by holds, has heard of it."""
        lifted = await self.countersigned(f"holds/{hold}/lift", {"reason": "cleared"})
        await self.operator.get("/allocation/v1/stock", at_least=lifted.position)

    # The books

    async def balances(self, product: str, *, at_least: str | None = None, **query: Any) -> dict[str, int]:
        """{"title/reserve/available": grams} of one product's accounts that are not zero, as posted."""
        rows = await self.rows(self.auditor, "/ledger/v1/balances", asset=product, at_least=at_least, **query)
        return {f"{row['side']}/{row['account']}": row["posted"] for row in rows if row["posted"]}

    # Processes

    @contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """A process that stands still while the block runs: it is there, and does nothing."""
        pid = self.running.endpoints.pids[name]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


EMPOWERED = ("approver-1", "approver-2", "operator-1")
DISPATCH = {"carrier": "Linfox", "consignee": CONSIGNEE}


def product_body(product: str, unit_g: int = UNIT_G) -> dict[str, Any]:
    return {
        "product": product,
        "name": "Antimony metal 99.65%",
        "contents": {"Sb": "0.9965"},
        "form": "metal",
        "unit": "bundle",
        "nominal_unit_g": unit_g,
        "specification": "ASTM B237 grade A",
    }


@asynccontextmanager
async def a_world(running: Running, clock_file: Path | None = None) -> AsyncIterator[World]:
    """The parties of a deployment: its partners are registered, and two approvers have enrolled a key each, and have every power."""
    async with the_parties(running, clock_file) as world:
        position = ""
        for code, name in PARTNERS.items():
            position = (
                await world.post(world.admin, "/allocation/v1/partners", {"partner": code, "name": name}, key=f"partner-{code}")
            ).position
            await world.operator.get("/inventory/v1/products", at_least=position)
        for approver, key in world.keys.items():
            await world.registrar.enrol(await world.subject(approver), key)
        await empower(world.registered, {await world.subject(client_id): client_id for client_id in EMPOWERED})
        yield world


@asynccontextmanager
async def the_parties(running: Running, clock_file: Path | None = None) -> AsyncIterator[World]:
    """Those of a deployment that knows them already: nobody is registered, nothing is enrolled."""
    endpoints = running.endpoints
    async with AsyncExitStack() as stack:
        clients = {
            client.client_id: await stack.enter_async_context(Documented.of(endpoints, client.client_id, patience_s=HANGS_AFTER_S))
            for client in endpoints.clients
            if client.client_id not in JOURNALED
        }
        yield World(running, clock_file, clients)
