"""Sentences about what is lent and held, on the world's: facility loans, equity, and material that must come back."""

import secrets
from typing import Any

from reserve.client import Client, ProblemAnswer
from tests.e2e.world import UNIT_G, World
from tests.waiting import until

LOANS = "/loans/v1/loans"
HOLDINGS = "/loans/v1/holdings"
MATERIAL = "/loans/v1/material-loans"
BORROWERS = {"hillgrove-mines": "borrower-hillgrove", "nolans-mines": "borrower-nolans"}


async def open_facilities(world: World) -> None:
    """The two pools, once for a world: of loans and equity, and of material at 50 cents a gram of antimony."""
    for facility, limit_minor in (("cmf", 400_000_000_000), ("lending", 50_000_000_000)):
        body = {"facility": facility, "limits": [{"key": "total", "limit_minor": limit_minor}], "authority": "an Act"}
        await world.by_two(world.admin, "/loans/v1/facilities", body, key=f"facility-{facility}")
    await world.by_two(world.admin, "/loans/v1/laboratories", laboratory_body(world), key="laboratory")
    rate = {"asset": "contained/Sb", "rate": "50", "quoted_on": world.in_days(0), "source": "Fastmarkets"}
    await world.by_two(world.operator, "/loans/v1/facilities/lending/rates", rate)


def a_project() -> str:
    """One that no other test has."""
    return f"mine-{secrets.token_hex(4)}"


def schedule_body(world: World, **changed: Any) -> dict[str, Any]:
    return {"kind": "equal", "start": world.in_days(0), "every": "1m", "periods": 12, "day_count": "30/360"} | changed


def loan_body(world: World, **changed: Any) -> dict[str, Any]:
    """A$1,200.00 at 12% over a year, with no condition precedent."""
    body = {
        "account": "national_interest",
        "instrument": "Ministerial direction 4/2026",
        "borrower": "hillgrove-mines",
        "project": a_project(),
        "elements": ["Sb"],
        "commitment_minor": 120_000,
        "security": "first charge over the plant",
        "base_pct": "10",
        "margin_pct": "2",
        "available_from": world.in_days(0),
        "available_until": world.in_days(300),
        "sunset_on": world.in_days(200),
        "schedule": schedule_body(world),
        "precedents": [],
        "kyc": "kyc-17",
    }
    return body | changed


async def signed(world: World, path: str, document: str, purpose: str, approver: str = "approver-1") -> Any:
    return (await world.post(world.clients[approver], path, await world.approval(document, approver, purpose))).body


async def reached(client: Client, path: str, status: str) -> Any:
    """What is found there, once it has that status."""

    async def found() -> Any:
        try:
            body = await client.get(path)
        except ProblemAnswer as problem:
            if not problem.code.endswith("_not_found"):
                raise
            return None
        return body if body["status"] == status else None

    return await until(found)


async def proposed_loan(world: World, **changed: Any) -> tuple[str, str]:
    """(loan, SHA-256 of the proposal)"""
    made = await world.post(world.operator, LOANS, loan_body(world, **changed))
    return made["loan"], made["document"]


async def committed_loan(world: World, **changed: Any) -> str:
    loan, document = await proposed_loan(world, **changed)
    await signed(world, f"{LOANS}/{loan}/approvals", document, "loan_proposal")
    await reached(world.operator, f"{LOANS}/{loan}", "committed")
    return loan


async def requested_advance(world: World, loan: str, amount_minor: int) -> str:
    made = await world.post(world.operator, f"{LOANS}/{loan}/advances", {"amount_minor": amount_minor, "purpose": "a furnace"})
    advance: str = made["advance"]
    return advance


async def payee_of(world: World, borrower: str) -> str:
    """The first that it has: one that takes the place of another would wait."""
    for known in await world.rows(world.operator, "/loans/v1/payees", borrower=borrower):
        return str(known["payee"])
    body = {"borrower": borrower, "holder": "the borrower", "bank": "a bank in Perth, 036-000", "account": "1234 5678"}
    payee: str = (await world.by_two(world.operator, "/loans/v1/payees", body))["command"]["payee"]
    return payee


async def advanced_loan(world: World, amount_minor: int = 120_000, **changed: Any) -> tuple[str, str]:
    """(loan, advance), paid out today, by another than has asked for it."""
    loan = await committed_loan(world, **changed)
    advance = await requested_advance(world, loan, amount_minor)
    paid = {"payee": await payee_of(world, changed.get("borrower", "hillgrove-mines")), "paid_on": world.in_days(0)}
    await world.post(world.payer, f"{LOANS}/{loan}/advances/{advance}/pay", paid)
    return loan, advance


def payment_body(world: World, amount_minor: int, **changed: Any) -> dict[str, Any]:
    return {"reference": f"bank-{secrets.token_hex(4)}", "amount_minor": amount_minor, "received_on": world.in_days(0)} | changed


async def paid(world: World, loan: str, amount_minor: int, **changed: Any) -> str:
    made = await world.post(world.operator, f"{LOANS}/{loan}/payments", payment_body(world, amount_minor, **changed))
    payment: str = made["payment"]
    return payment


# Equity


def holding_body(**changed: Any) -> dict[str, Any]:
    body = {
        "account": "commercial",
        "instrument": "Ministerial direction 4/2026",
        "company": "larvotto",
        "project": a_project(),
        "elements": ["Sb"],
        "share_class": "ordinary",
        "commitment_minor": 500_000,
        "units": 1_000,
        "unit_price_minor": "500",
        "kyc": "kyc-18",
        "category": "B",
    }
    return body | changed


async def subscribed_holding(world: World) -> tuple[str, str]:
    """(holding, its first flow)"""
    made = await world.post(world.operator, HOLDINGS, holding_body())
    holding: str = made["holding"]
    await signed(world, f"{HOLDINGS}/{holding}/approvals", made["document"], "equity_proposal")
    await reached(world.operator, f"{HOLDINGS}/{holding}", "committed")
    body = {"reference": f"bank-{secrets.token_hex(4)}", "units": 400, "amount_minor": 200_000, "paid_on": world.in_days(0)}
    subscribed = await world.by_two(world.operator, f"{HOLDINGS}/{holding}/subscriptions", body)
    return holding, subscribed["command"]["flow"]


# Material


def material_terms(world: World, **changed: Any) -> dict[str, Any]:
    body = {
        "due_on": world.in_days(180),
        "return_place": "Kwinana",
        "security": {"kind": "letter_of_credit", "value_minor": 900_000_000},
        "deferral_conditions": ["supply_disruption"],
        "cash_basis": "Fastmarkets MB-SB-0001, on the day",
    }
    return body | changed


async def awarded_material(world: World, partner: str, units: int) -> tuple[str, str]:
    """(material loan, release): all of a new product is awarded to the partner, to come back."""
    product = await world.registered_product()
    await world.taken_in(product, units)
    await world.agreed_with(partner, product)
    request = await world.requested(partner, product, units * UNIT_G, kind="loan", return_on=world.in_days(200))
    await world.accepted(request, units * UNIT_G)
    round, certified = await world.decided(product, [request], units * UNIT_G)
    [release] = await world.releases_of(round, certified)
    loan = f"mln_{release['release'].removeprefix('rel_')}"
    await reached(world.operator, f"{MATERIAL}/{loan}", "offered")
    return loan, release["release"]


async def committed_material(world: World, partner: str, units: int) -> tuple[str, str]:
    loan, release = await awarded_material(world, partner, units)
    proposed = await world.post(world.operator, f"{MATERIAL}/{loan}/terms", material_terms(world))
    await signed(world, f"{MATERIAL}/{loan}/approvals", proposed["document"], "material_loan")
    await reached(world.operator, f"{MATERIAL}/{loan}", "committed")
    return loan, release


async def lent_material(world: World, partner: str, units: int) -> tuple[str, str]:
    """(material loan, product): all of it is drawn, and known to be owed."""
    loan, release = await committed_material(world, partner, units)

    async def drawn() -> bool:
        try:
            await world.drawn(partner, release, units * UNIT_G)
        except ProblemAnswer as problem:
            if problem.code != "loan_not_committed":
                raise
            return False
        return True

    await until(drawn)
    return loan, (await reached(world.operator, f"{MATERIAL}/{loan}", "lent"))["product"]


def return_body(world: World, product: str, units: int, content: str = "0.9965", **changed: Any) -> dict[str, Any]:
    body = {
        "product": product,
        "depot": "Kwinana",
        "units": units,
        "nominal_unit_g": UNIT_G,
        "origin": "Japan",
        "custody_model": "segregated",
        "assay": assay_body(world, content),
        "received_on": world.in_days(0),
    }
    return body | changed


def laboratory_body(world: World, **changed: Any) -> dict[str, Any]:
    body = {"laboratory": "sgs-perth", "name": "SGS Perth", "owner": "independent", "accredited_until": "2099-12-31"}
    return body | changed


def assay_body(world: World, content: str = "0.9965", **changed: Any) -> dict[str, Any]:
    body = {
        "report": "AHK-77",
        "laboratory": "AHK Rotterdam",
        "assayed_on": world.in_days(0),
        "contents": {"Sb": content},
        "in_specification": True,
    }
    return body | changed


async def something_of_each(world: World) -> None:
    """A loan that is paid on, shares that are held, and material that is out: so that whoever looks at loans has something to look at."""
    await open_facilities(world)
    loan, _ = await advanced_loan(world)
    await paid(world, loan, 20_000)
    grade = {"grade": "CCC", "stage": 2, "provision_minor": 15_000, "reason": "the mine stands still"}
    await world.by_two(world.operator, f"{LOANS}/{loan}/grade", grade)
    await subscribed_holding(world)
    await lent_material(world, "JP", 2)
