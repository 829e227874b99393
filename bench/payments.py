"""Payments over HTTP on many loans, and what the others notice while some come in a year late, on a loan of 2,000 events."""

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.figures import Figure, Options, figure, percentile_ms
from bench.receipts import drain
from bench.wrk import Load, find_wrk, post_many
from reserve.client import ProblemAnswer
from reserve.demo.instruments import empower
from reserve.demo.parties import Parties, Unexpected, subject_of, until
from reserve.demo.registrar import WITNESS, Registrar
from reserve.demo.what_if_clock import WhatIfClock
from reserve.operate.deployment import Deployment
from reserve.operate.endpoints import Endpoints
from reserve.operate.serving import serving
from shared.settings import Settings

LOANS = 128
EVENTS = 2_000  # of the loan that is paid late
YEARS = 2  # that the loans have run
LATE_ALONE = 50
LATE_EACH_S = 0.1
ADVANCED_MINOR = 1_000_000_000
PAID_MINOR = 100


async def payments(options: Options) -> AsyncGenerator[Figure]:
    """Raises Unexpected if what was acknowledged and what loans and ledger hold at the end is not the same, RuntimeError if any payment
    was refused."""
    find_wrk()
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as folder:
        today = datetime.now(Settings().zone)
        clock = WhatIfClock(Path(folder) / "clock", today - timedelta(days=366 * YEARS))
        deployment = Deployment(Path(folder), settings=Settings(clock_file=clock.file))
        async with serving(deployment) as endpoints, Parties(endpoints) as parties:
            paid = _Payments(parties, endpoints, options, await _lend(parties, deployment.verifier_key, clock))
            clock.move_to(today.date())
            await paid.make_long(today.date())
            async for each in _measure(paid):
                yield each
            await drain(parties.auditor, "loans")
            await paid.check()


async def _measure(paid: "_Payments") -> AsyncGenerator[Figure]:
    load = await paid.storm("many")
    yield figure("payments", load.per_second, "payments/s", at_least=500)
    yield figure("payments_p50", load.p50_ms, "ms")
    yield figure("payments_p99", load.p99_ms, "ms")
    alone_s = await paid.late_ones()
    yield figure("payment_a_year_late_p50", percentile_ms(alone_s, 0.5), "ms", at_most=50)
    yield figure("payment_a_year_late_p99", percentile_ms(alone_s, 0.99), "ms")
    load, late_s = await paid.storm_with_late_ones()
    yield figure("payment_a_year_late_p50_in_a_storm", percentile_ms(late_s, 0.5), "ms", baseline=load.p50_ms)
    again = await paid.storm("again")
    yield figure("payments_p99_beside_late_ones", load.p99_ms, "ms", baseline=again.p99_ms)
    yield figure("payments_beside_late_ones", load.per_second, "payments/s", baseline=again.per_second)


class _Payments:
    """Payments on a running deployment, counted."""

    def __init__(self, parties: Parties, endpoints: Endpoints, options: Options, loans: Sequence[str]) -> None:
        self.parties = parties
        self.url = endpoints.services["loans"]
        self.options = options
        self.long, *self.loans = loans
        self._acknowledged = 0
        self._under_way = 0

    async def make_long(self, today: date) -> None:
        """Payments of every day of its years, in no order."""
        self._today = today
        days = [today - timedelta(days=number * 7 % (365 * YEARS)) for number in range(self.options.some(EVENTS))]
        for first in range(0, len(days), self.options.clients):
            some = range(first, min(first + self.options.clients, len(days)))
            await asyncio.gather(*(self._pay_long(f"long-{number}", days[number]) for number in some))

    async def _pay_long(self, reference: str, received_on: date) -> None:
        received = {"received_on": str(received_on), "dated_because": "paper_late"}
        body = {"reference": reference, "amount_minor": PAID_MINOR, "prepays": "instalment"} | received
        await self.parties.operator.post(f"/loans/v1/loans/{self.long}/payments", body)
        self._acknowledged += 1

    async def storm(self, name: str) -> Load:
        body = msgspec.json.encode({"reference": f"{name}-{{n}}", "amount_minor": PAID_MINOR, "received_on": str(self._today)})
        paths = [f"/v1/loans/{loan}/payments" for loan in self.loans]
        token = await self.parties.operator.token()
        clients, seconds = self.options.clients, self.options.seconds
        load = await post_many(self.url, paths, token, body, clients=clients, seconds=seconds, key_prefix=name)
        self._acknowledged += load.answered
        self._under_way += clients
        return load

    async def late_ones(self) -> list[float]:
        """One after another, and nobody else: how long each took."""
        late_s: list[float] = []
        for number in range(LATE_ALONE):
            late_s.append(await self._pay_late(f"alone-{number}"))
        return sorted(late_s)

    async def storm_with_late_ones(self) -> tuple[Load, list[float]]:
        """With how long each late payment took."""
        late_s: list[float] = []
        task = asyncio.create_task(self._keep_paying_late(late_s))
        try:
            load = await self.storm("beside")
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._under_way += 1
        return load, sorted(late_s)

    async def _keep_paying_late(self, late_s: list[float]) -> None:
        while True:
            late_s.append(await self._pay_late(f"late-{len(late_s)}"))
            await asyncio.sleep(LATE_EACH_S)

    async def _pay_late(self, reference: str) -> float:
        began = time.perf_counter()
        await self._pay_long(reference, self._today - timedelta(days=365))
        return time.perf_counter() - began

    async def check(self) -> None:
        """The ledger's cash holds all that was acknowledged, and its books of the late loan are that loan's own figures."""
        cash_minor = await self._posted("facility/cash")
        paid_minor = cash_minor + ADVANCED_MINOR * (1 + len(self.loans))
        least_minor = PAID_MINOR * self._acknowledged
        if not least_minor <= paid_minor <= least_minor + PAID_MINOR * self._under_way:
            raise Unexpected(f"{least_minor} was acknowledged, and the ledger has {paid_minor}")
        figures = (await self.parties.auditor.get(f"/loans/v1/loans/{self.long}"))["figures"]
        for name in ("principal", "interest", "default_interest", "fees"):
            if (posted := await self._posted(f"loan/{self.long}/{name}")) != figures[f"{name}_minor"]:
                raise Unexpected(f"the ledger has {posted} as {name}, and the loan {figures}")

    async def _posted(self, account: str) -> int:
        return sum([balance["posted"] async for balance in self.parties.auditor.rows("/ledger/v1/balances", account=account, side="title")])


async def _lend(parties: Parties, log_key: str, clock: WhatIfClock) -> list[str]:
    """Loans that are wholly advanced, on the clock's day."""
    today = clock.now.date()
    registrar, subject = Registrar.of(parties.admin, log_key), await subject_of(parties.approvers[0])
    await registrar.enrol(WITNESS, Ed25519PrivateKey.generate())
    await registrar.enrol(subject, Ed25519PrivateKey.generate())
    await empower(registrar.register, {subject: "Bench"})
    limits = [{"key": "total", "limit_minor": 2 * LOANS * ADVANCED_MINOR}]
    opening = {"facility": "cmf", "limits": limits, "authority": "none: a bench"}
    proposed = await parties.admin.post("/loans/v1/facilities", opening)
    signed = registrar.sign(proposed["document"], "command", subject)
    await until("the facility", lambda: _approved(parties, f"/loans/v1/proposals/{proposed['proposal']}", signed))
    lent = _Lent(parties, registrar, subject, today)
    return list(await asyncio.gather(*(lent.one(number) for number in range(LOANS + 1))))


class _Lent:
    def __init__(self, parties: Parties, registrar: Registrar, subject: str, today: date) -> None:
        self.parties = parties
        self.registrar = registrar
        self.subject = subject
        self.today = today
        self.at_once = asyncio.Semaphore(16)

    async def one(self, number: int) -> str:
        async with self.at_once:
            operator = self.parties.operator
            proposed = await operator.post("/loans/v1/loans", self.terms(number))
            path = f"/loans/v1/loans/{proposed['loan']}"
            signed = self.registrar.sign(proposed["document"], "loan_proposal", self.subject)
            await until("the approval", lambda: _approved(self.parties, path, signed))
            await until("the commitment", lambda: self._committed(path))
            advance = await operator.post(f"{path}/advances", {"amount_minor": ADVANCED_MINOR, "purpose": "to be measured"})
            paid = {"payee": await self.payee(f"borrower-{number}"), "paid_on": str(self.today)}
            await self.parties.depot_operator.post(f"{path}/advances/{advance['advance']}/pay", paid)
        return str(proposed["loan"])

    async def payee(self, borrower: str) -> str:
        details = {"borrower": borrower, "holder": "none: a bench", "bank": "none: a bench", "account": "000000"}
        proposed = await self.parties.operator.post("/loans/v1/payees", details)
        signed = self.registrar.sign(proposed["document"], "command", self.subject)
        await self.parties.approvers[0].post(f"/loans/v1/proposals/{proposed['proposal']}/approvals", signed)
        return str(proposed["command"]["payee"])

    def terms(self, number: int) -> dict[str, object]:
        return {
            "account": "commercial",
            "instrument": "none: a bench",
            "borrower": f"borrower-{number}",
            "project": f"project-{number}",
            "elements": ["Sb"],
            "commitment_minor": ADVANCED_MINOR,
            "security": "none",
            "base_pct": "4.35",
            "margin_pct": "2",
            "available_from": str(self.today),
            "available_until": str(self.today + timedelta(days=365)),
            "sunset_on": str(self.today + timedelta(days=365)),
            "schedule": {"kind": "equal", "start": str(self.today), "every": "3m", "periods": 60, "day_count": "ACT/365F"},
            "kyc": "none",
        }

    async def _committed(self, path: str) -> bool | None:
        return True if (await self.parties.operator.get(path))["status"] == "committed" else None


async def _approved(parties: Parties, path: str, signed: object) -> bool | None:
    """As soon as the approver's key and authority have arrived from allocation."""
    try:
        await parties.approvers[0].post(f"{path}/approvals", signed)
    except ProblemAnswer as problem:
        if problem.code not in ("approver_key_not_found", "authority_missing"):
            raise
        return None
    return True
