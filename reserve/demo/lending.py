"""A facility loan to a mine: committed within limits, advanced once its conditions are met, and repaid in money and in metal."""

from typing import Any

from reserve.demo.approving import approve, by_two, in_stock
from reserve.demo.books import of_loan, tie_out
from reserve.demo.loan_scenario import (
    BASIS_MINOR,
    BEYOND_ITS_LIMIT_MINOR,
    BORROWER,
    COMMITMENT_MINOR,
    CONCENTRATE,
    CONCENTRATE_CONTENT,
    CONCENTRATE_UNIT_G,
    DAY_OF_REMINDER,
    DELIVERED_UNITS,
    FACILITY,
    FACILITY_ACT,
    FACILITY_LIMITS,
    FIRST_DUE,
    LOAN_TERMS,
    OUTPUT_G,
    PAYEE,
    PROJECT,
    PROJECT_NAME,
    RECOVERED,
    RIGHT_G,
    SECOND_DUE,
    SOLD_ELSEWHERE_G,
    THIRD_DUE,
)
from reserve.demo.parties import Unexpected, all_rows, refusal_of, until
from reserve.demo.scenario import LABORATORY, PORT_SELBY
from reserve.demo.screen import mass, money, written_day
from reserve.demo.stage import Stage

FACTS = f"/loans/v1/projects/{PROJECT}/facts"


async def open_facility(stage: Stage) -> None:
    """Limits are a tree: what is committed counts under its project, its element and so on, and under all that is above them."""
    limits = [{"key": key, "parent": parent, "limit_minor": limit_minor} for key, parent, limit_minor in FACILITY_LIMITS]
    opening = {"facility": FACILITY, "limits": limits, "authority": FACILITY_ACT}
    await by_two(stage, stage.parties.admin, "/loans/v1/facilities", opening)
    rows = [(key.replace("_", " "), money(limit_minor)) for key, _, limit_minor in FACILITY_LIMITS]
    stage.screen.table("The Facility and its limits (invented, but for the A$4bn)", ("commitments under", "at most"), [rows])
    too_much = await refusal_of(stage.parties.operator.post("/loans/v1/loans", LOAN_TERMS | {"commitment_minor": BEYOND_ITS_LIMIT_MINOR}))
    stage.screen.refused(f"Proposing a loan of {money(BEYOND_ITS_LIMIT_MINOR)} to {PROJECT_NAME}", too_much)


async def commit_loan(stage: Stage) -> None:
    """Proposed by one person, signed by another; the facility then sets the money aside, or says that it cannot."""
    proposed = await stage.parties.operator.post("/loans/v1/loans", LOAN_TERMS)
    stage.loans.append(proposed["loan"])
    path = _path(stage)
    await approve(stage, stage.parties.approvers[0], f"{path}/proposal", f"{path}/approvals")
    with stage.screen.waiting("the facility is asked for headroom"):
        await until("the facility to commit itself", lambda: _with_status(stage, "committed"))
    stage.screen.say(
        f"Proposed by an operator, signed by another person over [bold]{proposed['document'][:12]}[/], and {money(COMMITMENT_MINOR)} "
        f"of the Facility is committed to {PROJECT_NAME}."
    )
    stranger = await refusal_of(stage.parties.stranger.get(path))
    stage.screen.refused("Another borrower looks the loan up", stranger)
    await tie_out(stage)


async def wait_for_offtake(stage: Stage) -> None:
    """Nobody ticks a condition: it is worked out from what is established. Not to know is not to have."""
    operator, path = stage.parties.operator, _path(stage)
    advance = await operator.post(f"{path}/advances", {"amount_minor": COMMITMENT_MINOR, "purpose": "mill and filter plant"})
    pay = f"{path}/advances/{advance['advance']}/pay"
    today = stage.clock.now.date().isoformat()
    payee = (await by_two(stage, operator, "/loans/v1/payees", PAYEE))["command"]["payee"]
    paid_out = {"payee": payee, "paid_on": today}
    stage.screen.say("The mine's bank account is registered by two people, neither of whom will pay on it.")
    stage.screen.say(
        f"The mine asks for {money(advance['amount_minor'])}. The advance is {advance['status']}: it waits for its conditions."
    )
    rows = [await _seen(stage, "nothing is known of the project", "not_evaluated", "open")]
    stage.screen.refused("Paying it now", await refusal_of(operator.post(pay, paid_out)))

    overrun = {"kind": "cost_overrun_facility", "subject": "a bank (invented)", "since": today, "evidence": ["deed of 5 February 2026"]}
    await operator.post(FACTS, overrun)
    sold = {"kind": "offtake", "subject": "a trading house (invented)", "binding": True, "evidence": ["contract of 20 January 2026"]}
    await operator.post(FACTS, sold | _tonnage(stage, SOLD_ELSEWHERE_G))
    rows.append(await _seen(stage, f"{mass(SOLD_ELSEWHERE_G)} are sold, of an output unknown", "not_evaluated", "met"))
    await operator.post(FACTS, {"kind": "output", "evidence": ["feasibility study (invented)"]} | _tonnage(stage, OUTPUT_G))
    rows.append(await _seen(stage, f"of {mass(OUTPUT_G)} in all", "open", "met"))

    await _secure_right(stage)
    with stage.screen.waiting("loans hears of the right"):
        await until("the advance to be cleared", lambda: _advance_with_status(stage, "cleared"))
    rows.append(await _seen(stage, f"the Reserve has a right to {mass(RIGHT_G)}", "met", "met"))
    columns = ("when it is known that", "80% offtake", "of the output", "cost-overrun facility")
    stage.screen.table("The conditions, worked out each time that something is established", columns, [rows])
    stage.screen.say("Inventory recorded the right for its own ends. Loans heard of it, saw the condition met, and cleared the advance.")

    stage.screen.refused("Who has asked for it pays it", await refusal_of(operator.post(pay, paid_out)))
    paid = await stage.parties.depot_operator.post(pay, paid_out)
    stage.screen.say(f"Paid by another person: {money(paid['amount_minor'])}. What was seen of each condition is kept with it, for good.")
    await _show_schedule(stage)
    await tie_out(stage)


async def ask_what_if(stage: Stage) -> None:
    """A question that is answered from the same positions that the limits count, and changes none."""
    auditor = stage.parties.auditor
    before = await auditor.get("/loans/v1/journal/heads")
    default = {"kind": "default", "borrower": BORROWER, "recovery": RECOVERED}
    answer = await stage.parties.operator.post("/loans/v1/exposure/what-if", {"by": "project", "scenarios": [default]})
    if await auditor.get("/loans/v1/journal/heads") != before:
        raise Unexpected("a question has changed something")
    (lost_minor,) = answer["lost_minor"].values()
    stage.screen.say(
        f"What if the mine could not pay, and {RECOVERED} of it came back? {money(lost_minor)} would be lost. To ask has changed nothing."
    )


async def pay_in_time(stage: Stage) -> None:
    """Interest is billed by itself at the end of a period."""
    due_minor = await _come_to_be_due(stage, periods=1)
    await _pay(stage, "bank-2026-0511", due_minor, FIRST_DUE.isoformat())
    stage.screen.say(f"{written_day(FIRST_DUE)}: the first instalment is due, {money(due_minor)} with its interest, and is paid.")
    await tie_out(stage)


async def be_told_late(stage: Stage) -> None:
    """A payment counts for the day that it was received, whenever it is told. How the loan stood, as was known then, stays answerable."""
    path, auditor = _path(stage), stage.parties.auditor
    await _come_to_be_due(stage, periods=2)
    overdue_minor = (await auditor.get(f"{path}/standing", on=SECOND_DUE.isoformat()))["figures"]["due_minor"]  # before it bore interest
    before = await auditor.get(f"{path}/standing", on=DAY_OF_REMINDER.isoformat())
    known_at = stage.clock.now.isoformat()
    await _pay(stage, "bank-2026-0810", overdue_minor, SECOND_DUE.isoformat(), dated_because="paper_late")
    as_known = await auditor.get(f"{path}/standing", on=DAY_OF_REMINDER.isoformat(), known_at=known_at)
    after = await auditor.get(f"{path}/standing", on=DAY_OF_REMINDER.isoformat())
    if as_known["figures"] != before["figures"]:
        raise Unexpected("what was known on that morning is no longer answered")
    names = ("overdue_minor", "accrued_minor", "principal_minor")
    rows = [
        (what, *(money(stood["figures"][name]) for name in names))
        for what, stood in (("as was known on that morning", as_known), ("as is known now", after))
    ]
    columns = (f"on {written_day(DAY_OF_REMINDER)}", "overdue", "accrued, with default interest", "principal")
    stage.screen.table("The bank's statement was three weeks late", columns, [rows])
    stage.screen.say(
        f"The second instalment had come on {written_day(SECOND_DUE)}. Told late, it counts for that day, and nothing was ever late."
    )
    twice = {"reference": "bank-2026-0810", "amount_minor": overdue_minor, "received_on": SECOND_DUE.isoformat()}
    stage.screen.refused("The same bank reference again", await refusal_of(stage.parties.operator.post(f"{path}/payments", twice)))
    await tie_out(stage)
    await _show_books(stage)


async def repay_in_kind(stage: Stage) -> None:
    """One conversation, from the lot in the depot to the balance of the loan."""
    path, operator = _path(stage), stage.parties.operator
    agreed = {
        "right": stage.offtake_right,
        "product": CONCENTRATE,
        "element": "Sb",
        "price": BASIS_MINOR,
        "since": stage.clock.now.date().isoformat(),
        "until": "2027-12-31",
        "authority": FACILITY_ACT,
    }
    await by_two(stage, operator, f"{path}/offtakes", agreed)
    delivery = {
        "depot": PORT_SELBY,
        "units": DELIVERED_UNITS,
        "nominal_unit_g": CONCENTRATE_UNIT_G,
        "origin": "AU",
        "custody_model": "segregated",
        "assay": {
            "report": "SAO-26-2044",
            "laboratory": LABORATORY,
            "assayed_on": stage.clock.now.date().isoformat(),
            "contents": {"Sb": CONCENTRATE_CONTENT},
            "in_specification": True,
        },
    }
    matured = await in_stock(
        stage,
        f"rights/{stage.offtake_right}/maturity",
        {"settled_g": DELIVERED_UNITS * CONCENTRATE_UNIT_G, "delivery": delivery},
    )
    with stage.screen.waiting("the delivery is valued and credited"):
        await until("the delivery to be credited", lambda: _credited(stage))
    (valued,) = (await stage.parties.borrower.get(f"{path}/deliveries"))["data"]
    credit_minor = (await stage.parties.borrower.get(path))["figures"]["credit_minor"]
    rows = [
        (
            "inventory",
            f"lot {matured['command']['delivery']['lot'][:12]}... of {mass(DELIVERED_UNITS * CONCENTRATE_UNIT_G)} of concentrate is stock, "
            "under the Reserve's right",
        ),
        (
            "loans",
            f"at {CONCENTRATE_CONTENT} it contains {mass(valued['contained_g'])} of antimony: at A$32/kg, {money(valued['amount_minor'])}",
        ),
        ("loans", f"paid as {valued['payment'][:12]}...: {money(credit_minor)} of credit, until something is due"),
    ]
    stage.screen.table("One conversation, from the lot to the balance", ("service", "what it knows"), [rows], texts=2)
    await tie_out(stage)


async def close_loan(stage: Stage) -> None:
    path = _path(stage)
    due_minor = await _come_to_be_due(stage, periods=3)
    figures = (await stage.parties.auditor.get(path))["figures"]
    stage.screen.say(
        f"{written_day(THIRD_DUE)}: the third instalment is due. The credit pays its part, and {money(due_minor)} of it are left, with "
        f"{money(figures['principal_minor'] - due_minor)} that are due next year."
    )
    rest_minor = sum(figures[f"{name}_minor"] for name in ("principal", "interest", "default_interest", "fees"))
    await _pay(stage, "bank-2026-1109", rest_minor, THIRD_DUE.isoformat())
    await until("the loan to be repaid", lambda: _with_status(stage, "repaid"))
    before = await _headroom_minor(stage)
    await stage.parties.operator.post(f"{path}/close", {"reason": "repaid in full"})
    with stage.screen.waiting("the facility hears of it"):
        after = await until("the headroom to be back", lambda: _more_headroom(stage, before))
    stage.screen.say(
        f"The mine pays all of it, {money(rest_minor)}, a period early. The loan is closed, and {PROJECT_NAME} may borrow {money(after)} "
        f"again where it was {money(before)}."
    )
    await tie_out(stage)


async def _secure_right(stage: Stage) -> None:
    await in_stock(
        stage,
        "products",
        {
            "product": CONCENTRATE,
            "name": "Antimony concentrate",
            "contents": {"Sb": CONCENTRATE_CONTENT},
            "form": "concentrate",
            "unit": "1 t bag",
            "nominal_unit_g": CONCENTRATE_UNIT_G,
            "specification": "Sb 50% min, As 0.5% max",
        },
    )
    right = await in_stock(
        stage,
        "rights",
        {
            "product": CONCENTRATE,
            "project": PROJECT_NAME,
            "kind": "firm_offtake",
            "mass_g": RIGHT_G,
            "window_from": "2026-03-01",
            "window_to": "2029-12-31",
        },
    )
    stage.offtake_right = right["command"]["right"]


def _tonnage(stage: Stage, mass_g: int) -> dict[str, Any]:
    return {"product": CONCENTRATE, "quantity": mass_g, "unit": "g", "since": stage.clock.now.date().isoformat()}


async def _seen(stage: Stage, known: str, *statuses: str) -> tuple[str, ...]:
    """A row: what the conditions come to, once they have these statuses."""

    async def found() -> list[Any] | None:
        conditions: list[Any] = await stage.parties.borrower.get(f"{_path(stage)}/conditions")
        return conditions if tuple(each["status"] for each in conditions) == statuses else None

    offtake, overrun = await until(f"the conditions to be {', '.join(statuses)}", found)
    share = offtake["found"].rpartition(" = ")[2] if " = " in offtake["found"] else "unknown"
    return known, offtake["status"].replace("_", " "), share, overrun["status"].replace("_", " ")


async def _come_to_be_due(stage: Stage, periods: int) -> int:
    """What is due today, once the timers of so many periods' ends have billed them."""

    async def billed() -> bool | None:
        entries = await all_rows(stage.parties.auditor, f"{_path(stage)}/entries")
        bills = [entry for entry in entries if entry["kind"] == "period_closed" and entry["change"]]
        return len(bills) == periods or None

    with stage.screen.waiting("time passes"):
        await until("an instalment to be billed", billed)
    await tie_out(stage)  # while it is owed
    due_minor: int = (await stage.parties.auditor.get(f"{_path(stage)}/standing"))["figures"]["due_minor"]
    return due_minor


async def _pay(stage: Stage, reference: str, amount_minor: int, received_on: str, **late: str) -> None:
    body = {"reference": reference, "amount_minor": amount_minor, "received_on": received_on, "prepays": "instalment"} | late
    made = await stage.parties.operator.post(f"{_path(stage)}/payments", body)
    found = {"statement": f"statement of {received_on}"}
    await stage.parties.depot_operator.post(f"{_path(stage)}/payments/{made['payment']}/reconcile", found)


async def _show_schedule(stage: Stage) -> None:
    rows = await stage.parties.borrower.get(f"{_path(stage)}/schedule")
    columns = ("due", "principal", "interest", "left")
    table = [(row["due"], *(money(row[f"{name}_minor"]) for name in ("principal", "interest", "balance"))) for row in rows]
    stage.screen.table("What the borrower sees: 7.5% a year on the days that pass, on business days of New South Wales", columns, [table])


async def _show_books(stage: Stage) -> None:
    figures = await of_loan(stage.parties.auditor, stage.loans[0])
    rows = [(name, money(said), money(booked)) for name, said, booked in figures]
    stage.screen.table("The loan by its own word, and by the ledger's accounts", ("on that day", "loan", "ledger"), [rows])


def _path(stage: Stage) -> str:
    return f"/loans/v1/loans/{stage.loans[0]}"


async def _with_status(stage: Stage, status: str) -> Any | None:
    found = await stage.parties.auditor.get(_path(stage))
    return found if found["status"] == status else None


async def _advance_with_status(stage: Stage, status: str) -> Any | None:
    (found,) = (await stage.parties.auditor.get(f"{_path(stage)}/advances"))["data"]
    return found if found["status"] == status else None


async def _credited(stage: Stage) -> Any | None:
    found = (await stage.parties.auditor.get(f"{_path(stage)}/payments", kind="delivery"))["data"]
    return found[0] if found else None


async def _headroom_minor(stage: Stage) -> int:
    facility = await stage.parties.auditor.get(f"/loans/v1/facilities/{FACILITY}")
    (limit,) = [limit for limit in facility["limits"] if limit["key"] == f"project/{PROJECT}"]
    headroom_minor: int = limit["headroom_minor"]
    return headroom_minor


async def _more_headroom(stage: Stage, than_minor: int) -> int | None:
    found = await _headroom_minor(stage)
    return found if found > than_minor else None
