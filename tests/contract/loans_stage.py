"""Loans beside allocation, whose approvers sign, on the real PostgreSQL and Kafka: what tests of several files share."""

import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reserve.demo.instruments import empower
from reserve.demo.registrar import WITNESS, Registrar
from services.allocation.main import SERVICE as ALLOCATION
from services.loans.main import SERVICE as LOANS
from shared.clock import SystemClock, day_of
from shared.engines.engines import Engines
from shared.process.service import Service
from shared.settings import Settings
from tests.contract.allocation_stage import Reserve, renamed
from tests.kernel.stage import Running, Stage, a_stage, free_port, until
from tests.stories.log import ORIGIN

TODAY = day_of(SystemClock().now(), Settings().zone)
PARTIES = ("operator-1", "operator-2", "approver-1", "admin-1", "auditor-1", "partner-jp", "borrower-hillgrove", "borrower-nolans")
LIMITS = [
    {"key": "total", "limit_minor": 1_000_000_000},
    {"key": "project/crowded", "parent": "total", "limit_minor": 1_000_000},
]
TERMS: dict[str, Any] = {
    "account": "national_interest",
    "instrument": "Ministerial direction 4/2026",
    "borrower": "hillgrove-mines",
    "project": "hillgrove",
    "elements": ["Sb"],
    "commitment_minor": 120_000,
    "security": "first charge over the plant",
    "base_pct": "10",
    "margin_pct": "2",
    "available_from": str(TODAY - timedelta(days=800)),
    "available_until": str(TODAY + timedelta(days=300)),
    "sunset_on": str(TODAY + timedelta(days=200)),
    "schedule": {"kind": "equal", "start": str(TODAY), "every": "1m", "periods": 12, "day_count": "30/360"},
    "precedents": [
        {
            "name": "offtake",
            "text": "80% of output under binding offtake",
            "condition": {"type": "share_at_least", "part": "offtake", "whole": "output", "share": "4/5"},
        }
    ],
    "covenants": [{"kind": "dscr", "minimum": "1.30"}],
    "kyc": "kyc-17",
}
PAYEE = {"holder": "the borrower", "bank": "a bank in Perth, 036-000", "account": "1234 5678"}
HOLDING = {
    "account": "national_interest",
    "instrument": "Ministerial direction 4/2026",
    "company": "larvotto",
    "project": "hillgrove",
    "elements": ["Sb"],
    "share_class": "ordinary",
    "commitment_minor": 500_000,
    "units": 1_000,
    "unit_price_minor": "500",
    "kyc": "kyc-17",
    "category": "B",
}


class Lender(Reserve):
    """`clients` call loans."""

    @property
    def loans(self) -> Any:
        """The service itself, which stands where other stages have inventory."""
        return self.inventory

    beside: dict[str, Running]

    async def approve(self, path: str, document: str, purpose: str) -> Any:
        return await self.post("approver-1", path, self.signed(document, purpose))

    async def by_two(self, who: str, path: str, body: Any) -> Any:
        """What one person proposes, and the approver signs."""
        proposed = await self.post(who, path, body)
        return await self.approve(f"/v1/proposals/{proposed['proposal']}/approvals", proposed["document"], "command")

    async def pay(self, loan: str, advance: Any) -> Any:
        """By another than has asked for it."""
        borrower = (await self.get("operator-1", f"/v1/loans/{loan}"))["borrower"]
        paid = {"payee": await self.payee(borrower), "paid_on": str(TODAY)}
        return await self.post("operator-2", f"/v1/loans/{loan}/advances/{advance['advance']}/pay", paid)

    async def payee(self, borrower: str) -> str:
        """The first that it has in Australian dollars."""
        if not (known := (await self.get("operator-1", f"/v1/payees?borrower={borrower}"))["data"]):
            return str((await self.by_two("operator-1", "/v1/payees", PAYEE | {"borrower": borrower}))["command"]["payee"])
        return str(known[0]["payee"])

    async def committed(self, terms: Any) -> str:
        """A loan that the facility has committed itself to."""
        proposed = await self.post("operator-1", "/v1/loans", terms)
        content = (await self.clients["approver-1"].get(f"/v1/loans/{proposed['loan']}/proposal")).content
        assert hashlib.sha256(content).hexdigest() == proposed["document"]
        await self.approve(f"/v1/loans/{proposed['loan']}/approvals", proposed["document"], "loan_proposal")
        await self.loan(proposed["loan"], "committed")
        return str(proposed["loan"])

    async def loan(self, loan: str, status: str) -> Any:
        """The loan, once it has that status."""

        async def reached() -> Any:
            found = await self.get("operator-1", f"/v1/loans/{loan}")
            return found if found["status"] == status else None

        return await until(reached)

    async def fact(self, project: str, kind: str, **given: Any) -> str:
        body = {"kind": kind, "since": "2026-01-01", "evidence": ["contract 1"]} | given
        recorded = await self.post("operator-1", f"/v1/projects/{project}/facts", body)
        return str(recorded["fact"])


@asynccontextmanager
async def a_lender(servers: Engines, folder: Path, *beside: Service) -> AsyncIterator[Lender]:
    """`beside`: other services that loans hear of."""
    async with AsyncExitStack() as stack:
        stage: Stage = await stack.enter_async_context(a_stage(servers, folder))
        services = (ALLOCATION, LOANS, *beside)
        names = {each.name: stage.name(each.name) for each in services}
        stage.urls |= {name: f"http://127.0.0.1:{free_port()}" for name in names.values()}
        allocation, loans, *others = [await stack.enter_async_context(stage.serving(renamed(each, names))) for each in services]
        url = stage.urls[names["loans"]]
        clients = {party: await stack.enter_async_context(stage.client(url, party)) for party in PARTIES}
        lender = Lender(stage, loans, allocation, clients)
        lender.beside = dict(zip((each.name for each in beside), others, strict=True))
        async with stage.client(stage.urls[names["allocation"]], "admin-1") as admin:

            async def post(path: str, body: dict[str, Any]) -> Any:
                made = await admin.post(path, json=body, headers={"Idempotency-Key": secrets.token_hex(8)})
                assert made.is_success, made.text
                return made.json()

            lender.registrar = Registrar(post, ORIGIN)
            await lender.registrar.enrol(WITNESS, Ed25519PrivateKey.generate())
            await lender.registrar.enrol(lender.subject("approver-1"), lender.key)
            [delegation] = await empower(lender.register, {lender.subject("approver-1"): "approver"})

        async def known() -> Any:
            async with stage.sql(names["loans"]) as sql:
                keys = await sql.fetchval("SELECT count(*) FROM approver_keys")
                return keys and await sql.fetchval("SELECT count(*) FROM authorities WHERE id = $1", delegation)

        await until(known)
        yield lender


def followed(signed: Any, kind: str) -> Any:
    """The event of this kind that stands after a signature."""
    return next(each for each in signed["followed"] if each["type"].startswith(f"loans.{kind}.v"))


async def sign_holding(lender: Lender, proposed: Any) -> None:
    await lender.approve(f"/v1/holdings/{proposed['holding']}/approvals", proposed["document"], "equity_proposal")
