"""Allocation beside the real inventory, on the real PostgreSQL and Kafka: what tests of several files share."""

import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reserve.demo.instruments import VALIDITY, empower
from reserve.demo.registrar import WITNESS, Registrar
from services.allocation.domain.book.state import ATTESTATION
from services.allocation.domain.decisions.check import recompute
from services.allocation.domain.decisions.contradictions import contradictions
from services.allocation.domain.decisions.decision import read_file
from services.allocation.domain.decisions.sealed import decision_hash
from services.allocation.main import SERVICE as ALLOCATION
from services.inventory.domain.controls import CONTROLS
from services.inventory.domain.products import SetProtectedStock
from services.inventory.main import SERVICE as INVENTORY
from shared.clock import Clock, SystemClock, day_of
from shared.engines.engines import Engines
from shared.process.service import Service
from shared.settings import Settings
from shared.terms.countersigning import CommandPaper
from tests.contract.policy_stage import an_active_policy
from tests.kernel.stage import Running, Stage, a_stage, context, free_port, until
from tests.stories.countersigned import by_two
from tests.stories.log import ORIGIN
from tests.stories.stockpile import UNIT_G, lot, register

TODAY = day_of(SystemClock().now(), Settings().zone)
PRODUCT = "antimony-metal"
POLICY = "standing"
UNKNOWN = "01jh7qmxw4e0aayfkn3d1a2b3c"


class Reserve:
    """Allocation beside inventory; everyone calls with their own token."""

    def __init__(self, stage: Stage, inventory: Running, allocation: Running, clients: dict[str, httpx.AsyncClient]) -> None:
        self.stage = stage
        self.inventory = inventory
        self.allocation = allocation
        self.clients = clients
        self.key = Ed25519PrivateKey.generate()
        self.registrar = Registrar(partial(self.post, "admin-1"), ORIGIN)

    def subject(self, who: str) -> str:
        claims = self.clients[who].headers["authorization"].split(".")[1]
        return str(msgspec.json.decode(base64.urlsafe_b64decode(claims + "=="))["sub"])

    async def post(self, who: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        answer = await self.clients[who].post(path, json=body, headers={"Idempotency-Key": key or secrets.token_hex(8)})
        assert answer.is_success, answer.text
        return answer.json()

    async def refused(self, who: str, path: str, body: Any = None) -> tuple[int, str]:
        answer = await self.clients[who].post(path, json=body, headers={"Idempotency-Key": secrets.token_hex(8)})
        return answer.status_code, answer.json()["code"]

    async def get(self, who: str, path: str, **query: str) -> Any:
        answer = await self.clients[who].get(path, params=query or None)
        assert answer.is_success, answer.text
        return answer.json()

    async def by_two(self, path: str, body: Any) -> Any:
        """What an operator proposes, and the first approver signs: the proposal, done."""
        return await self.sign(await self.post("operator-1", path, body))

    async def sign(self, proposed: Any, by: str = "approver-1", **changed: Any) -> Any:
        signed = self.signed(proposed["document"], CommandPaper.purpose, by, **changed)
        return await self.post(by, f"/v1/proposals/{proposed['proposal']}/approvals", signed)

    async def withdraw_conflict(self, who: str, conflict: dict[str, Any]) -> None:
        """An administrator proposes it, and an approver signs it, under an act for this alone: the second one, if it is the first one's."""
        proposed = await self.post("admin-1", f"/v1/officials/{self.subject(who)}/conflicts/withdraw", conflict)
        by = "approver-2" if who == "approver-1" else "approver-1"
        signer = self.subject(by)
        if signer not in self.registrar.keys:
            await self.registrar.enrol(signer, Ed25519PrivateKey.generate())
        act = {"kind": "act", "title": "An Act", "office": "an office", "holder": signer, "acts": ["withdraw_conflict"], **VALIDITY}
        before = self.registrar.instruments.get(signer)
        instrument = (await self.register(act))["instrument"]
        if before is not None:
            self.registrar.instruments[signer] = before
        await self.sign(proposed, by, authority=instrument)

    async def agree(self, partner: str) -> str:
        """An agreement on the product, for most of a year."""
        terms = {"product": PRODUCT, "yearly_quota_g": 1000 * UNIT_G, "share": "1/4"}
        days = {"valid_from": str(TODAY), "valid_until": str(TODAY + timedelta(days=300))}
        signed = await self.by_two("/v1/agreements", {"partner": partner, "products": [terms], "priority_class": 0} | days)
        return str(signed["command"]["agreement"])

    async def register(self, instrument: dict[str, Any]) -> Any:
        return await self.registrar.register(instrument)

    async def happen(self, *commands: Any, product: str = PRODUCT) -> None:
        """In inventory, as if an operator had asked for it there, and another person had signed what needs it."""
        for command in (each for whole in commands for each in by_two(CONTROLS, whole, TODAY)):
            decided = await self.inventory.kernel.writer.submit(f"stockpile/{product}", command, context())
            assert hasattr(decided, "facts"), decided

    async def accepted_request(self, who: str, units: int, **changes: Any) -> str:
        body = {
            "product": PRODUCT,
            "mass_g": units * UNIT_G,
            "daily_consumption_g": UNIT_G // 2,
            "needed_by": str(TODAY + timedelta(days=60)),
            "nominee": "Sojitz",
            "consignee": "Toyo Logistics",
            "end_user": "Kyushu Smelting",
            "end_use": "flame retardants",
        }
        request: str = (await self.post(who, "/v1/requests", body | changes))["request"]
        await self.post("operator-1", f"/v1/requests/{request}/accept", {"accepted_g": units * UNIT_G, "reasons": ["as asked"]})
        return request

    async def a_round(self, *units: int, policy: str = POLICY) -> str:
        """Over requests of JP and US for so many units each."""
        requests = [await self.accepted_request(who, count) for who, count in zip(("partner-jp", "partner-us"), units, strict=False)]
        round: str = (await self.post("operator-1", "/v1/rounds", {"product": PRODUCT, "requests": requests, "policy": policy}))["round"]
        return round

    async def propose(self, round: str, units: int) -> Any:
        return await self.post("operator-1", f"/v1/rounds/{round}/propose", {"supply_g": units * UNIT_G})

    def signed(self, document: str, purpose: str, who: str = "approver-1", **changed: Any) -> Any:
        """What `reserve approve` writes, by the approver's own key under the instrument that was registered last for them."""
        return self.registrar.sign(document, purpose, self.subject(who), **changed)

    async def approval(self, round: str, who: str = "approver-1", **changed: Any) -> Any:
        file = read_file(msgspec.json.encode(await self.get(who, f"/v1/rounds/{round}/decision")))
        assert (recompute(file), contradictions(file)) == ([], [])
        return self.signed(decision_hash(file), "decision", who, **changed)

    async def approve(self, round: str) -> None:
        await self.post("approver-1", f"/v1/rounds/{round}/approvals", await self.approval(round))

    async def certified_round(self, *units: int, supply: int) -> str:
        round = await self.a_round(*units)
        await self.propose(round, supply)
        await self.approve(round)
        await self.certify(round)
        return round

    async def certify(self, round: str) -> Any:
        """By an operator, who attests the decision with a key of their own."""
        return await self.post("operator-1", f"/v1/rounds/{round}/certify", await self.attestation(round))

    async def attestation(self, round: str) -> dict[str, Any]:
        certifier = self.subject("operator-1")
        if certifier not in self.registrar.keys:
            await self.registrar.enrol(certifier, Ed25519PrivateKey.generate())
        decision = (await self.get("operator-1", f"/v1/rounds/{round}"))["decision"]
        return {"attestation": self.signed(decision, ATTESTATION, "operator-1", authority=None)}

    async def status(self, round: str, status: str) -> Any:
        """The round, once it has that status."""

        async def reached() -> Any:
            found = await self.get("operator-1", f"/v1/rounds/{round}")
            return found if found["status"] == status else None

        return await until(reached)

    async def at_rest(self) -> None:
        """Once each of both has heard all that the other has said."""
        inventory, allocation = (running.kernel.service.name for running in (self.inventory, self.allocation))

        async def heard() -> list[dict[int, int]]:
            return [await self.stage.heard(inventory, allocation), await self.stage.heard(allocation, inventory)]

        async def still() -> bool:
            return await heard() == await heard()

        await until(still)


def renamed(service: Service, names: dict[str, str]) -> Service:
    """Under names that no other test has. It takes of the other only: there is no ledger here."""
    subscriptions = tuple(
        msgspec.structs.replace(each, source=names[each.source]) for each in service.subscriptions if each.source in names
    )
    return msgspec.structs.replace(service, name=names[service.name], subscriptions=subscriptions)


@asynccontextmanager
async def a_reserve(servers: Engines, folder: Path, clock: Clock | None = None) -> AsyncIterator[Reserve]:
    """Both services go by this clock."""
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(a_stage(servers, folder))
        names = {name: stage.name(name) for name in ("inventory", "allocation")}
        services = [renamed(service, names) for service in (INVENTORY, ALLOCATION)]
        stage.urls |= {name: f"http://127.0.0.1:{free_port()}" for name in names.values()}
        inventory, allocation = [await stack.enter_async_context(stage.serving(service, clock)) for service in services]
        parties = (
            "operator-1",
            "operator-2",
            "approver-1",
            "approver-2",
            "admin-1",
            "auditor-1",
            "partner-jp",
            "partner-us",
            "partner-eu",
            "nominee-sojitz",
            "nominee-jogmec",
        )
        url = stage.urls[names["allocation"]]
        clients = {party: await stack.enter_async_context(stage.client(url, party)) for party in parties}
        reserve = Reserve(stage, inventory, allocation, clients)
        await _begin(reserve)
        yield reserve


@asynccontextmanager
async def allocation_alone(servers: Engines, folder: Path) -> AsyncIterator[Reserve]:
    """With nobody and nothing registered."""
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(a_stage(servers, folder))
        name = stage.name("allocation")
        stage.urls[name] = f"http://127.0.0.1:{free_port()}"
        allocation = await stack.enter_async_context(stage.serving(renamed(ALLOCATION, {"allocation": name})))
        parties = ("operator-1", "approver-1", "approver-2", "admin-1", "auditor-1", "partner-jp")
        clients = {party: await stack.enter_async_context(stage.client(stage.urls[name], party)) for party in parties}
        yield Reserve(stage, allocation, allocation, clients)


async def _begin(reserve: Reserve) -> None:
    await reserve.happen(register(), lot(units=400), SetProtectedStock(mass_g=100 * UNIT_G, authority="Minister", reason="floor"))

    async def stock() -> bool:
        return any(row["protected_g"] for row in await reserve.get("operator-1", "/v1/stock"))

    await until(stock)
    await reserve.registrar.enrol(WITNESS, Ed25519PrivateKey.generate())
    await reserve.registrar.enrol(reserve.subject("approver-1"), reserve.key)
    await empower(reserve.register, {reserve.subject("approver-1"): "approver"})
    for partner in ("JP", "US", "EU"):
        await reserve.post("admin-1", "/v1/partners", {"partner": partner, "name": partner})
        await reserve.agree(partner)
    await an_active_policy(reserve, POLICY)
