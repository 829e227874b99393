"""Clients at work in material loans: an operator agrees terms for what rounds lend, and takes in what comes back."""

import asyncio
from datetime import date, timedelta
from typing import Any

from services.loans.domain.facility.headroom import OpenFacility, RecordRate
from services.loans.domain.material.defaults import DeclareMaterialDefault, RecordReplacement
from services.loans.domain.material.held import MarkSecurity, SettleInCash, TopUpSecurity
from services.loans.domain.material.laboratories import INDEPENDENT, EndLaboratory, Registered, RegisterLaboratory
from services.loans.domain.material.returns import AssayReturn, ReceiveReturn
from services.loans.domain.material.terms import (
    ApproveDeferral,
    ApproveTerms,
    ProposeDeferral,
    ProposeTerms,
    WithdrawMaterialLoan,
    deferral_document,
    terms_document,
)
from services.loans.domain.papers import DeferralPaper, MaterialTermsPaper
from services.loans.events.facility import Limit
from services.loans.events.laboratory import LaboratoryCode
from services.loans.events.material import Assay, MaterialTerms, Premium, ReturnedLot, Security
from shared.journal.protocol import Document
from shared.terms.dating import Dated
from shared.writer.commands import Accepted
from tests.simulation.authority_clients import OFFICER
from tests.simulation.client import Client, with_document
from tests.simulation.loan_clients import signing
from tests.simulation.tables import UNIT_G
from tests.simulation.two_people import by_one, give

FACILITY: Any = "lending"
STREAM = f"facility/{FACILITY}"
LABORATORIES = {"independent": LaboratoryCode("assayers"), "umpire": LaboratoryCode("umpires")}  # by what they are asked as


async def lend_material(client: Client, until_s: float) -> None:
    limits = (
        Limit(key="total", parent=None, limit_minor=UNIT_G * client.dice.randrange(4, 40)),
        Limit(key="partner/JP", parent="total", limit_minor=UNIT_G * client.dice.randrange(2, 20)),
    )
    opening = OpenFacility(facility=FACILITY, currency="AUD", limits=limits, authority="an Act")
    await client.until(lambda: client.allocation.held_by(OFFICER))
    while not isinstance(answer := await give(client, "loans", STREAM, opening, surely=True), Accepted):
        if answer is not None:
            break  # an attempt without an answer had opened it
    while asyncio.get_running_loop().time() < until_s:
        await _look_after(client, client.dice.choice(sorted(LABORATORIES.values())))
        if client.dice.random() < 0.3:
            rate = RecordRate(asset="contained/Sb", rate="1", quoted_on=date(2026, 1, 5), source="a bulletin", on=date.min)
            await give(client, "loans", STREAM, rate)
        await client.pause(1.0)
        for stream in sorted(name for name in client.world.stores["loans"].by_stream if name.startswith("material/")):
            state = await client.read("loans", stream)
            if state is not None and state.id is not None and client.dice.random() < 0.6:
                await go_on(client, stream, state)


async def go_on(client: Client, stream: str, state: Any) -> None:
    match state.status:
        case "offered":
            await _propose(client, stream, state)
        case "proposed" if client.dice.random() < 0.1:
            await give(client, "loans", stream, WithdrawMaterialLoan(reason="no longer"))
        case "proposed":
            await client.do(
                "loans", stream, ApproveTerms(signing=signing(client, state.proposal.document, MaterialTermsPaper.purpose), on=date.min)
            )
        case "lent":
            turn = client.dice.choice((_bring, _bring, _assay, _assay, _assay, _assay, _defer, _secure, _settle))
            await turn(client, stream, state)


async def _propose(client: Client, stream: str, state: Any) -> None:
    terms = MaterialTerms(
        facility=FACILITY,
        element="Sb",
        content="0.99",
        due_on=min(state.return_on, client.world.today() + timedelta(days=client.dice.choice((1, 2, 1 if client.world.people else 20)))),
        return_place="north",
        premium=Premium(base_pct="1", step_pct="0.5", step_days=2),
        splitting_limit="0.002",
        currency="AUD",
        security=Security(kind="cash_deposit", value_minor=UNIT_G, haircut="1/10", required_cover="1.1"),
        deferral_conditions=("disruption",),
        deferral_pct="1",
        cash_basis="a bulletin",
    )
    document = Document(terms_document(state, terms))
    await client.do("loans", stream, with_document(document, ProposeTerms(terms=terms, document=document.name, by="operator", on=date.min)))


async def _bring(client: Client, stream: str, state: Any) -> None:
    units = client.dice.randrange(1, max(2, state.out_g // UNIT_G + 2))
    lot = ReturnedLot(
        product=state.product,
        depot="north",
        units=units,
        nominal_unit_g=UNIT_G,
        serials=(),
        origin="somewhere",
        custody_model="segregated",
    )
    brought = ReceiveReturn(
        returned=client.new_id("mrt"),
        lot=lot,
        own_assay=_report(client, "0.99"),
        received_on=client.world.today(),
        dated_because=Dated.REPORTED_LATE,  # it may get through on another day
        on=date.min,
    )
    await client.do("loans", stream, brought)


async def _assay(client: Client, stream: str, state: Any) -> None:
    """Mostly near the borrower's own; else an umpire is needed, or it is no good."""
    waiting = sorted(name for name, each in state.returns.items() if each.settled_g is None)
    if not waiting:
        await _bring(client, stream, state)
        return
    returned = client.dice.choice(waiting)
    by: Any = "umpire" if state.returns[returned].needs_umpire else "independent"
    name = LABORATORIES[by]
    report = _report(client, client.dice.choice(("0.99", "0.989", "0.98")), fit=client.dice.random() < 0.9, laboratory=name)
    known = await client.read("loans", f"laboratory/{name}")
    registered = None
    if known is not None and known.id is not None and not known.ending.ended:
        registered = Registered(laboratory=name, name=known.name, owner=known.owner, accredited_until=known.accredited_until)
    await give(client, "loans", stream, AssayReturn(returned=returned, by=by, assay=report, registered=registered, on=date.min))


async def _look_after(client: Client, name: LaboratoryCode) -> None:
    """Registered by two; now and then ended."""
    stream = f"laboratory/{name}"
    known = await client.read("loans", stream)
    if known is None or known.id is None or known.ending.ended:
        until = client.world.today() + timedelta(days=2000)
        wanted = RegisterLaboratory(laboratory=name, name=f"{name}, a company", owner=INDEPENDENT, accredited_until=until, on=date.min)
        await give(client, "loans", stream, wanted)
    elif client.dice.random() < 0.1:
        await client.do("loans", stream, EndLaboratory(by=by_one(client), reason="its accreditation is suspended", on=date.min))


async def _defer(client: Client, stream: str, state: Any) -> None:
    if state.deferrals:
        name = client.dice.choice(sorted(state.deferrals))
        signed = ApproveDeferral(deferral=name, signing=signing(client, state.deferrals[name].document, DeferralPaper.purpose), on=date.min)
        await client.do("loans", stream, signed)
        return
    name, due_on = client.new_id("dfr"), state.due_on + timedelta(days=client.dice.randrange(1, 9))
    document = Document(deferral_document(state, name, "disruption", "a notice", due_on))
    asked = ProposeDeferral(
        deferral=name, condition="disruption", evidence="a notice", due_on=due_on, document=document.name, by="operator"
    )
    await client.do("loans", stream, with_document(document, asked))


async def _secure(client: Client, stream: str, state: Any) -> None:
    mark = MarkSecurity(price_minor=client.dice.choice(("1", "5/4")), quoted_on=date(2026, 1, 5), source="a bulletin", on=date.min)
    top_up = TopUpSecurity(amount_minor=1000, reference=client.new_id("top"))
    await give(client, "loans", stream, client.dice.choice((mark, mark, top_up)))


async def _settle(client: Client, stream: str, state: Any) -> None:
    """What never comes back."""
    grams = max(1, state.out_g // 2)
    command: Any = client.dice.choice(
        (
            *[SettleInCash(price_minor="1", source="a bulletin", reference=client.new_id("wire"), on=date.min)]
            * (1 if state.returns else 3),
            DeclareMaterialDefault(reason="no news", on=date.min),
            RecordReplacement(bought_g=grams, cost_minor=grams * 2, source="a tender", on=date.min),
        )
    )
    await give(client, "loans", stream, command)


def _report(client: Client, content: str, *, fit: bool = True, laboratory: str = "the borrower's own") -> Assay:
    contents = {"Sb": content}
    return Assay(report=client.new_id("rep"), laboratory=laboratory, assayed_on=date(2026, 1, 5), contents=contents, in_specification=fit)
