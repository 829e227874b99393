"""Clients at work in loans: facilities are opened and limited, loans and holdings proposed, signed, committed, paid out and paid back."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from hashlib import sha256
from itertools import combinations
from random import Random
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.loans.domain.equity.decider import ApproveHolding, CancelUncalled, ProposeHolding, WithdrawHolding
from services.loans.domain.equity.flows import DivestShares, ReceiveDividend, ReverseDividend, SubscribeShares, ValueHolding
from services.loans.domain.equity.write_downs import ApproveWriteDown, ProposeWriteDown, WithdrawWriteDown
from services.loans.domain.facility.headroom import OpenFacility, RecordRate, SetGroup, SetLimits
from services.loans.domain.loan.advances import CancelCommitment, PayAdvance, RequestAdvance, WithdrawAdvance
from services.loans.domain.loan.agreement import ApproveAct, ApproveLoan, ProposeAct, ProposeLoan, WithdrawAct, WithdrawLoan
from services.loans.domain.loan.covenants import ReportRatio
from services.loans.domain.loan.defaults import DeclareDefault
from services.loans.domain.loan.payments import ReconcilePayment, RecordPayment, RecordRecovery, ReversePayment
from services.loans.domain.loan.servicing import ChargeFee, CloseLoan, ImportLoan, Regrade, ResetRate
from services.loans.domain.offtake.offtake import AgreeOfftake, EndOfftake
from services.loans.domain.payees.payees import EndPayee, RegisterPayee
from services.loans.domain.projects.project import RecordFact, WithdrawFact
from services.loans.events.equity import HoldingTerms
from services.loans.events.facility import Limit
from services.loans.events.project import ProjectFact
from services.loans.events.terms import (
    AmendCondition,
    Covenant,
    LoanTerms,
    Precedent,
    Restructure,
    ScheduleTerms,
    Subsequent,
    WaiveCondition,
    WaiveCovenant,
    WriteOff,
)
from shared.journal.protocol import Document
from shared.terms.acting import Signing
from shared.terms.approval import approve
from shared.terms.conditions import ShareAtLeast, Shown
from shared.terms.dating import Dated
from shared.writer.commands import Accepted
from tests.simulation.authority_clients import OFFICER, capacity
from tests.simulation.client import Client, with_document
from tests.simulation.two_people import by_one, give, surely

FACILITY: Any = "cmf"
STREAM = f"facility/{FACILITY}"
CENTS = 1000  # what the smallest commitment is a multiple of
BEGAN = date(2026, 1, 6)
PROJECTS: tuple[Any, ...] = ("mine-a", "mine-b")
PAYERS = frozenset({"a payer"})
KEY = Ed25519PrivateKey.from_private_bytes(sha256(b"a credit officer").digest())


def at_work(client: Callable[[str], Client], dice: Random, until_s: float) -> Sequence[Any]:
    return [
        set_up(client("treasury"), until_s),
        learn(client("geologist"), until_s),
        agree(client("trader"), until_s),
        *(lend(client(f"bank{number}"), until_s) for number in range(dice.choice((1, 1, 2)))),
        *(hold(client(f"fund{number}"), until_s) for number in range(dice.randrange(0, 2))),
    ]


# The facility, and what is known of projects


def limits(client: Client) -> tuple[Limit, ...]:
    """Tight ones, so that commitments meet at them."""
    keys = ("instrument/loan", "instrument/equity", "group/mines", *(f"project/{project}" for project in PROJECTS))
    own = tuple(Limit(key=key, parent="total", limit_minor=100 * CENTS * client.dice.randrange(3, 9)) for key in keys)
    return (Limit(key="total", parent=None, limit_minor=1000 * CENTS), *own)


async def set_up(client: Client, until_s: float) -> None:
    opening = OpenFacility(facility=FACILITY, currency="AUD", limits=limits(client), authority="an Act")
    await client.until(lambda: client.allocation.held_by(OFFICER))
    while not isinstance(answer := await give(client, "loans", STREAM, opening, surely=True), Accepted):
        if answer is not None:
            break  # an attempt without an answer had opened it
    while asyncio.get_running_loop().time() < until_s:
        rate = client.dice.choice(("1.4", "3/2", "1.61"))
        await give(client, "loans", STREAM, RecordRate(asset="USD", rate=rate, quoted_on=date(2026, 1, 5), source="RBA", on=date.min))
        await client.pause(6.0)
        if client.dice.random() < 0.3:
            await give(client, "loans", STREAM, SetLimits(limits=limits(client), authority="an Act", reason="prudence"))
        if client.dice.random() < 0.3:
            members = client.dice.choice(((), *combinations([f"project/{project}" for project in PROJECTS], 2)))
            await give(client, "loans", STREAM, SetGroup(group="mines", members=members, reason="one holds the other"))


async def learn(client: Client, until_s: float) -> None:
    """Facts that conditions precedent are held against; some are withdrawn, or end soon."""
    known: list[tuple[Any, Any]] = []
    while asyncio.get_running_loop().time() < until_s:
        if known and client.dice.random() < 0.3:
            project, fact = client.dice.choice(known)
            await give(client, "loans", f"project/{project}", WithdrawFact(fact=fact, by="geologist", reason="it was wrong"))
        else:
            project, kind = client.dice.choice(PROJECTS), client.dice.choice(("permit", "permit", "output", "offtake"))
            fact = ProjectFact(
                fact=client.new_id("fct"),
                kind=kind,
                subject=None,
                product=None,
                quantity=None if kind == "permit" else client.dice.randrange(1, 9),
                unit=None if kind == "permit" else "t",
                binding=True if kind == "offtake" else None,
                by="geologist",
                since=BEGAN,
                until=client.dice.choice((None, BEGAN + timedelta(days=client.dice.randrange(9)))),
            )
            known.append((project, fact.fact))
            await client.do("loans", f"project/{project}", RecordFact(project=project, known=fact, evidence=("a paper",)))
        await client.pause(4.0)


# Repayment in kind


async def agree(client: Client, until_s: float) -> None:
    """What is delivered under a right repays some loan, for a while."""
    agreed: list[tuple[str, Any, Any]] = []
    loans, stock = client.world.stores["loans"], client.world.stores["inventory"]
    while asyncio.get_running_loop().time() < until_s:
        await client.pause(3.0)
        records = [record for records in stock.by_stream.values() for record in records if record.type == "inventory.right_added.v1"]
        added = [(record.stream, msgspec.json.decode(record.data)) for record in records]
        rights = sorted((stream.partition("/")[2], data["right"]) for stream, data in added if data["kind"] == "firm_offtake")
        lent = sorted(name for name in loans.by_stream if name.startswith("loan/"))
        if not rights or not lent:
            continue
        if agreed and client.dice.random() < 0.3:
            right, offtake, loan = agreed.pop()
            await give(client, "loans", f"offtake/{right}", EndOfftake(offtake=offtake, loan=loan, reason="enough", on=date.min))
            continue
        (product, right), stream = client.dice.choice(rights), client.dice.choice(lent)
        state = await client.read("loans", stream)
        if state is None or state.terms is None:
            continue
        offtake = AgreeOfftake(
            offtake=client.new_id("oft"),
            right=right,
            loan=state.id,
            loan_status=state.status,
            product=product,
            element=client.dice.choice(("Sb", "Sb", "Sb", "As")),  # of which no assay says anything
            price=client.dice.choice(("2", "3/2", "0.37")),
            currency=state.terms.currency,
            share=client.dice.choice(("1", "1/3")),
            since=BEGAN,
            until=BEGAN + timedelta(days=30),
            authority="an Act",
            by="trader",
        )
        agreed.append((right, offtake.offtake, offtake.loan))
        await give(client, "loans", f"offtake/{right}", offtake)


# Facility loans


def terms(client: Client) -> LoanTerms:
    dice = client.dice
    permit = Precedent(name="permit", text="a permit", condition=Shown(kind="permit"))
    sold = ShareAtLeast(part="offtake", whole="output", share=dice.choice(("1/2", "4/5")))
    offtake = Precedent(name="offtake", text="buyers", condition=sold)
    insured = Subsequent(
        name="insurance", text="a policy", condition=Shown(kind="insurance"), due=BEGAN + timedelta(days=dice.randrange(2, 30))
    )
    return LoanTerms(
        facility=FACILITY,
        account="national_interest",
        instrument="an Act",
        borrower=client.name,  # type: ignore[arg-type]
        project=dice.choice(PROJECTS),
        elements=("Sb",),
        currency=dice.choice(("AUD", "AUD", "USD")),
        commitment_minor=CENTS * dice.randrange(10, 300),
        security="a charge",
        ranking="senior",
        base_rate="BBSW 3M",
        base_pct="10",
        margin_pct=dice.choice(("0", "2.5")),
        default_margin_pct="3",
        commitment_fee_pct=dice.choice(("0", "1")),
        establishment_fee_minor=dice.choice((0, 700)),
        available_from=BEGAN - timedelta(days=1),
        available_until=BEGAN + timedelta(days=dice.randrange(7, 30)),
        sunset_on=BEGAN + timedelta(days=dice.randrange(4, 7)),
        schedule=ScheduleTerms(
            kind=dice.choice(("equal", "equal_principal", "bullet")),
            start=BEGAN - timedelta(days=dice.randrange(20)),
            every=dice.choice(("1w", "1m")),
            periods=dice.randrange(1, 12),
            day_count=dice.choice(("30/360", "ACT/365F", "ACT/ACT ISDA")),
        ),
        precedents=dice.choice(((), (permit,), (permit, offtake))),
        subsequents=dice.choice(((), (insured,))),
        covenants=(Covenant(kind="dscr", minimum="1.2"),),
        grade="BB",
        stage=1,
        kyc="kyc",
        category="B",
    )


def signing(client: Client, document: str, purpose: str) -> Signing:
    signed = approve(document, KEY, approver=OFFICER, purpose=purpose)
    return Signing(approval=signed, key="enrolled", signature_valid=True, capacity=capacity(client, OFFICER))


async def be_known(client: Client) -> None:
    """Who borrows has a payee in each currency, and one more that has ended."""
    stream, details = f"payees/{client.name}", {part: part for part in ("holder", "bank", "account", "masked")}
    for currency in ("AUD", "USD", "USD"):
        payee = client.new_id("pye")
        new = RegisterPayee(payee=payee, borrower=client.name, currency=currency, by=client.name, on=date.min, **details)  # type: ignore[arg-type]
        await surely(client, f"loans/{stream}", new)
    await client.do("loans", stream, EndPayee(payee=payee, reason="another's", on=date.min, by=by_one(client)))


async def lend(client: Client, until_s: float) -> None:
    """A bank's desk: loans from their proposal to their end, with whatever befalls them."""
    await be_known(client)
    while asyncio.get_running_loop().time() < until_s:
        loan = client.new_id("lon")
        stream = f"loan/{loan}"
        proposed = terms(client)
        document = Document(msgspec.json.encode(proposed))
        if client.dice.random() < 0.15:
            advanced = client.dice.randrange(proposed.commitment_minor + 1)
            brought = ImportLoan(
                loan=loan,
                terms=proposed,
                document=document.name,
                reference=loan,
                as_of=BEGAN - timedelta(days=1),
                advanced_minor=advanced,
                repaid_minor=advanced // 3,
                by="sub_administrator",
                on=date.min,
            )
            await give(client, "loans", stream, brought, document)
        else:
            propose = ProposeLoan(loan=loan, terms=proposed, document=document.name, by="operator", on=date.min)
            await client.do("loans", stream, with_document(document, propose))
            await client.do("loans", stream, ApproveLoan(signing=signing(client, document.name, "loan_proposal")))
        for _ in range(client.dice.randrange(4, 25)):
            if client.world.loop.time() >= until_s:
                return
            await client.pause(1.0)
            state = await client.read("loans", stream)
            if state is None or state.status in ("withdrawn", "closed"):
                break
            await _do_something(client, stream, state, document)


async def _do_something(client: Client, stream: str, state: Any, proposal: Document) -> None:
    if state.status == "proposed":
        if client.dice.random() < 0.7:
            await client.do("loans", stream, ApproveLoan(signing=signing(client, proposal.name, "loan_proposal")))
        else:
            await give(client, "loans", stream, WithdrawLoan(reason="no headroom"))
    elif state.status == "approved":
        await client.pause(1.0)
    else:
        turn = client.dice.choice((_advance, _advance, _advance, _pay, _pay, _pay, _reverse, _change, _act, _end, _finish))
        await turn(client, stream, state)


async def _advance(client: Client, stream: str, state: Any) -> None:
    if not state.advances:
        amount_minor = client.dice.randrange(1, max(2, state.undrawn_minor + 10))
        request = RequestAdvance(advance=client.new_id("adv"), amount_minor=amount_minor, purpose="a mill", by=client.name, on=date.min)
        await client.do("loans", stream, request)
        return
    advance = client.dice.choice(sorted(state.advances))
    if client.dice.random() < 0.1:
        await give(client, "loans", stream, WithdrawAdvance(advance=advance, reason="not needed"))
    else:
        if (known := await client.read("loans", f"payees/{state.terms.borrower}")) is None:
            return
        payee = client.dice.choice(sorted(known.payees.values(), key=lambda each: each.id))
        told: dict[str, Any] = {"paid_on": _lately(client), "dated_because": Dated.NOT_RECORDABLE}
        await client.do("loans", stream, PayAdvance(advance=advance, payee=payee, by=PAYERS, on=date.min, **told))


async def _pay(client: Client, stream: str, state: Any) -> None:
    """Told on its day or late; now and then more than is owed, or the same money twice."""
    owed_minor = 0 if state.figures is None else state.figures.principal_minor + state.figures.interest_minor
    amount_minor = client.dice.choice((owed_minor // 3, owed_minor, owed_minor + 50, 777)) or 1
    payment = client.new_id("pay")
    reference = client.dice.choice((payment, payment, payment, *sorted(state.references)[:1]))
    kind = RecordRecovery if state.status == "defaulted" else RecordPayment
    told: dict[str, Any] = {"payment": payment, "reference": reference, "amount_minor": amount_minor, "received_on": _lately(client)}
    if kind is RecordPayment:
        told |= {"prepays": client.dice.choice(("nothing", "instalment", "term")), "by": client.name}
    await give(client, "loans", stream, kind(dated_because=Dated.PAPER_LATE, on=date.min, **told))
    if kind is RecordPayment and client.dice.random() < 0.7:
        await _reconcile(client, stream, payment)


async def _reconcile(client: Client, stream: str, payment: Any) -> None:
    found = ReconcilePayment(payment=payment, statement="2026/1", by="a checker", accounts=frozenset({"a checker"}), on=date.min)
    await client.do("loans", stream, found)


async def _reverse(client: Client, stream: str, state: Any) -> None:
    if state.payments:
        payment = client.dice.choice(sorted(state.payments))
        await give(client, "loans", stream, ReversePayment(payment=payment, reason="another's", on=date.min))


async def _change(client: Client, stream: str, state: Any) -> None:
    late: dict[str, Any] = {"dated_because": Dated.REPORTED_LATE, "on": date.min}
    fee = client.new_id("fee")
    command: Any = client.dice.choice(
        (
            ResetRate(base_pct=client.dice.choice(("0", "7", "12.5")), source="RBA", from_on=_lately(client), **late),
            ChargeFee(fee=fee, text="a visit", amount_minor=99, due_on=_lately(client), **late),
            ReportRatio(kind="dscr", ratio=client.dice.choice(("1.0", "1.4")), for_on=BEGAN, source="accounts", on=date.min),
            Regrade(grade="B", stage=2, provision_minor=100, reason="a look"),
        )
    )
    await give(client, "loans", stream, command)


async def _act(client: Client, stream: str, state: Any) -> None:
    """What is open is signed, or given up; else something is proposed."""
    if state.acts:
        name = client.dice.choice(sorted(state.acts))
        if client.dice.random() < 0.2:
            await give(client, "loans", stream, WithdrawAct(act=name, reason="second thoughts"))
            return
        said = signing(client, state.acts[name].document, "loan_act")
        await client.do("loans", stream, ApproveAct(act=name, signing=said, on=date.min))
        return
    content: Any = client.dice.choice(
        (
            WaiveCondition(name="permit", until=client.dice.choice((None, _lately(client)))),
            AmendCondition(name="permit", text="a licence", condition=Shown(kind=client.dice.choice(("permit", "output")))),
            Restructure(
                schedule=ScheduleTerms(
                    kind="equal", start=_lately(client), every="1w", periods=client.dice.randrange(1, 9), day_count="ACT/360"
                ),
                rate_pct=client.dice.choice((None, "4")),
                capitalise_overdue=client.dice.random() < 0.5,
            ),
            WriteOff(amount_minor=client.dice.randrange(1, 3000), on=_lately(client)),
            WaiveCovenant(kind="dscr", until=BEGAN + timedelta(days=3)),
        )
    )
    document = Document(msgspec.json.encode([stream, client.new_id("doc"), content]))
    propose = ProposeAct(act=client.new_id("act"), content=content, reason="agreed", document=document.name, by="operator", on=date.min)
    await client.do("loans", stream, with_document(document, propose))


async def _end(client: Client, stream: str, state: Any) -> None:
    command: Any = client.dice.choice(
        (
            CancelCommitment(amount_minor=client.dice.choice((None, 500)), reason="enough", on=date.min),
            CloseLoan(reason="all is paid", on=date.min),
            CloseLoan(reason="all is paid", on=date.min),
            DeclareDefault(reason="no news", on=date.min),
        )
    )
    await give(client, "loans", stream, command)


async def _finish(client: Client, stream: str, state: Any) -> None:
    """No more is advanced, and all is paid at once."""
    if state.figures is None or not state.advanced_minor:
        return
    await give(client, "loans", stream, CancelCommitment(amount_minor=None, reason="enough", on=date.min))
    figures, payment = state.figures, client.new_id("pay")
    owed = (figures.principal_minor, figures.interest_minor, figures.accrued_minor, figures.default_interest_minor, figures.fees_minor)
    told: dict[str, Any] = {"payment": payment, "reference": payment, "amount_minor": sum(owed) or 1, "prepays": "term"}
    told |= {"dated_because": Dated.PAPER_LATE}  # it may get through on another day
    paid = RecordPayment(received_on=client.world.today(), by=client.name, on=date.min, **told)
    await client.do("loans", stream, paid)
    for waiting in sorted({*state.payments, payment}):
        await _reconcile(client, stream, waiting)


def _lately(client: Client) -> date:
    return client.world.today() - timedelta(days=client.dice.choice((0, 0, 0, 1, 3, 8)))


# Equity


async def hold(client: Client, until_s: float) -> None:
    """A fund: one holding after the other."""
    dice = client.dice
    while asyncio.get_running_loop().time() < until_s:
        holding = client.new_id("eqh")
        stream = f"equity/{holding}"
        units = dice.randrange(10, 100)
        proposed = HoldingTerms(
            facility=FACILITY,
            account="commercial",
            instrument="an Act",
            company=client.name,  # type: ignore[arg-type]
            project=dice.choice(PROJECTS),
            elements=("Sb",),
            share_class="ordinary",
            currency="AUD",
            commitment_minor=units * CENTS,
            units=units,
            unit_price_minor=str(CENTS),
            kyc="kyc",
            category="B",
        )
        document = Document(msgspec.json.encode([holding, proposed]))
        await client.do(
            "loans", stream, with_document(document, ProposeHolding(holding=holding, terms=proposed, document=document.name, by="operator"))
        )
        for _ in range(dice.randrange(4, 15)):
            if client.world.loop.time() >= until_s:
                return
            await client.pause(0.9)
            state = await client.read("loans", stream)
            if state is None or state.status in ("withdrawn", "closed"):
                break
            if state.status == "proposed" and dice.random() < 0.1:
                await give(client, "loans", stream, WithdrawHolding(reason="second thoughts"))
            elif state.status == "proposed":
                await client.do("loans", stream, ApproveHolding(signing=signing(client, document.name, "equity_proposal")))
            elif state.status == "committed" and state.write_downs and dice.random() < 0.5:
                flow = min(state.write_downs)
                signed = signing(client, _write_down(holding, flow).name, "equity_write_down")
                await client.do("loans", stream, ApproveWriteDown(flow=flow, signing=signed, on=date.min))
            elif state.status == "committed":
                await give(client, "loans", stream, _flow(client, holding, state))


def _write_down(holding: str, flow: str) -> Document:
    return Document(msgspec.json.encode([holding, flow]))


def _flow(client: Client, holding: str, state: Any) -> Any:
    dice, flow, day = client.dice, client.new_id("eqf"), _lately(client)
    told: dict[str, Any] = {"flow": flow, "reference": flow, "dated_because": Dated.REPORTED_LATE, "on": date.min}
    lost = _write_down(holding, flow)
    units = dice.randrange(1, 12)
    if not state.figures.units or dice.random() < 0.2:
        return SubscribeShares(units=units, amount_minor=units * CENTS, paid_on=day, **told)
    return dice.choice(
        (
            ValueHolding(value_minor=units * CENTS, valued_on=day, source="a valuer", on=date.min),
            ReceiveDividend(amount_minor=70, received_on=day, **told),
            ReverseDividend(flow=next(iter(sorted(state.dividends)), flow), reason="another's"),
            DivestShares(units=units, amount_minor=units * 900, received_on=day, **told),
            DivestShares(units=state.figures.units, amount_minor=0, received_on=day, **told),
            with_document(
                lost,
                ProposeWriteDown(
                    flow=flow,
                    amount_minor=dice.choice((None, 100)),
                    written_on=day,
                    authority="the board",
                    reason="lost",
                    document=lost.name,
                    by="operator",
                    on=date.min,
                    dated_because=Dated.REPORTED_LATE,
                ),
            ),
            WithdrawWriteDown(flow=min(state.write_downs, default=flow), reason="found again"),
            CancelUncalled(reason="enough"),
        )
    )
