"""A material loan: metal that a partner draws and owes, in contained grams, with a premium that rises with time; and how it comes back."""

from typing import Any

from reserve.client import ProblemAnswer
from reserve.demo.approving import approve, by_two, certify
from reserve.demo.books import of_material_loan, tie_out
from reserve.demo.countersigned import followed
from reserve.demo.loan_scenario import (
    DAILY_G,
    DEFERRED_TO,
    DUE_ON,
    FACILITY_ACT,
    INDEPENDENT_CONTENT,
    LENDING,
    LENDING_LIMITS,
    LENT,
    LENT_G,
    LENT_TO,
    MATERIAL_TERMS,
    NEEDED_BY,
    NOT_NAMED,
    OUTAGE,
    OWN_CONTENT,
    OWN_PRICE_MINOR,
    PRICE_MINOR,
    REJECTED_CONTENT,
    REJECTED_UNITS,
    RETURN_ON,
    RETURN_UNIT_G,
    RETURN_UNITS,
    RISEN_PRICE_MINOR,
    TOP_UP_MINOR,
    UMPIRE_CONTENT,
)
from reserve.demo.parties import all_rows, refusal_of, until
from reserve.demo.policies import LENDING as LENDING_POLICY
from reserve.demo.scenario import INDEPENDENT_LABORATORY, LABORATORY, PARTNERS, PORT_SELBY, UMPIRE
from reserve.demo.screen import mass, money, written_day
from reserve.demo.stage import Stage

PARTNER = PARTNERS[LENT_TO].name


async def award_loan(stage: Stage) -> None:
    """A request that says when it will be given back is decided like any other."""
    operator = stage.parties.operator
    request = await stage.parties.partners[LENT_TO].post(
        "/allocation/v1/requests",
        {
            "product": LENT.product,
            "mass_g": LENT_G,
            "minimum_g": LENT.unit_g,
            "daily_consumption_g": DAILY_G,
            "needed_by": NEEDED_BY.isoformat(),
            "nominee": PARTNERS[LENT_TO].nominee,
            "consignee": PARTNERS[LENT_TO].nominee,
            "end_user": f"smelters of {LENT_TO}",
            "end_use": "flame retardants, until a smelter is repaired",
            "kind": "loan",
            "return_on": RETURN_ON.isoformat(),
        },
    )
    accepted = {"accepted_g": LENT_G, "reasons": ["it comes back"]}
    await stage.parties.depot_operator.post(f"/allocation/v1/requests/{request['request']}/accept", accepted)
    opened = await operator.post(
        "/allocation/v1/rounds",
        {"product": LENT.product, "requests": [request["request"]], "policy": LENDING_POLICY},
    )
    path = f"/allocation/v1/rounds/{opened['round']}"
    await operator.post(f"{path}/propose", {"supply_g": LENT_G})
    await approve(stage, stage.parties.approvers[0], f"{path}/decision", f"{path}/approvals")
    await certify(stage, path)
    with stage.screen.waiting("inventory releases it, and loans hears of it"):
        offered = await until("the material loan to be offered", lambda: _offered(stage))
        await until("its release to be here", lambda: _release(stage, offered["release"]))
    stage.material_loans.append(offered["loan"])
    stage.screen.say(
        f"The {PARTNER} asks for {mass(LENT_G)} of {LENT.short}, to be given back by {written_day(RETURN_ON)}. A round awards it."
    )
    early = await refusal_of(_draw(stage, offered["release"]))
    stage.screen.refused("Drawing it at once, as if it had been given", early)


async def agree_terms(stage: Stage) -> None:
    """Title will pass, so what is lent is credit: it is priced, secured, and charged to the partner's limit."""
    operator, path = stage.parties.operator, _path(stage)
    limits = [{"key": key, "parent": parent, "limit_minor": limit_minor} for key, parent, limit_minor in LENDING_LIMITS]
    opening = {"facility": LENDING, "limits": limits, "authority": FACILITY_ACT}
    await by_two(stage, stage.parties.admin, "/loans/v1/facilities", opening)
    await _quote(stage, PRICE_MINOR)
    proposed = await operator.post(f"{path}/terms", MATERIAL_TERMS)
    approved = await approve(stage, stage.parties.approvers[0], f"{path}/terms", f"{path}/approvals")
    with stage.screen.waiting("the facility is asked for headroom"):
        await until("the facility to commit itself", lambda: _with_status(stage, "committed"))
    used = await _partner_limit(stage)
    stage.screen.say(
        f"Terms [bold]{proposed['document'][:12]}[/], signed by a second person: {mass(approved['contained_g'])} of contained antimony, "
        f"due on {written_day(DUE_ON)} at {PORT_SELBY}, with a premium in kind of 1%, and 0.5% for each 30 days begun."
    )
    stage.screen.say(
        f"At A$75 a contained kilogram that is {money(used['committed_minor'])} of the "
        f"{money(used['limit_minor'])} that may be lent to the {PARTNER}."
    )


async def draw_loan(stage: Stage) -> None:
    loan = await _loan(stage)
    await until("the release's gate to open", lambda: _drawn(stage, loan["release"]))
    with stage.screen.waiting("loans hears of the draw"):
        lent = await until("the draw to be lent", lambda: _with_status(stage, "lent"))
    stage.screen.say(
        f"The gate is open, and the {PARTNER} draws {mass(LENT_G)}. By the lots' own assays they contain "
        f"{mass(lent['out_g'])} of antimony: that is owed."
    )
    rows = [await _owed(stage, day.isoformat()) for day in (DUE_ON, DEFERRED_TO)]
    columns = ("given back on", "days", "what was lent", "premium", "owed")
    stage.screen.table(
        "What it costs to keep it", columns, [[(written_day(day), *row) for day, row in zip((DUE_ON, DEFERRED_TO), rows, strict=True)]]
    )
    await tie_out(stage)


async def call_security(stage: Stage) -> None:
    """The price has risen, so the security that was enough is so no longer."""
    operator, path = stage.parties.operator, _path(stage)
    await _quote(stage, RISEN_PRICE_MINOR)
    mark = {"price_minor": RISEN_PRICE_MINOR, "quoted_on": _today(stage), "source": "a trade paper (invented)"}
    signed = await by_two(stage, operator, f"{path}/security/marks", mark)
    marked = followed(signed, "loans.security_marked.v2")
    more = {"amount_minor": TOP_UP_MINOR, "reference": "letter of credit, amended"}
    topped_up = followed(await by_two(stage, operator, f"{path}/security/top-ups", more), "loans.security_topped_up.v1")
    stage.screen.say(
        f"Antimony costs 30% more. What is owed is worth {money(marked['owed_minor'])}, the security counts "
        f"{money(marked['counted_minor'])}: {money(marked['call_minor'])} are called. After {money(TOP_UP_MINOR)} more, "
        f"{money(topped_up['call_minor'])}."
    )


async def defer(stage: Stage) -> None:
    partner, path = stage.parties.partners[LENT_TO], _path(stage)
    asked = {"condition": OUTAGE, "evidence": "the smelter's notice of 22 March (invented)", "due_on": DEFERRED_TO.isoformat()}
    unnamed = await refusal_of(partner.post(f"{path}/deferrals", asked | {"condition": NOT_NAMED}))
    stage.screen.refused(f"The {PARTNER} asks for more time because the price has risen", unnamed)
    proposed = await partner.post(f"{path}/deferrals", asked)
    deferral = f"{path}/deferrals/{proposed['deferral']}"
    deferred = await approve(stage, stage.parties.approvers[1], f"{deferral}/document", f"{deferral}/approvals")
    stage.screen.say(
        f"It asks again: its smelter is out. That is a condition of the terms; a second person signs, the loan is due on "
        f"{written_day(DEFERRED_TO)}, and {deferred['premium_pct']}% more is owed of what is out."
    )


async def register_laboratories(stage: Stage) -> None:
    """What settles a return is assayed by a laboratory that is neither party's."""
    accredited = {"accredited_until": RETURN_ON.isoformat(), "owner": "independent"}
    for laboratory, name in ((INDEPENDENT_LABORATORY, LABORATORY), (UMPIRE, "Harbour Umpires (invented)")):
        body = accredited | {"laboratory": laboratory, "name": name}
        await by_two(stage, stage.parties.admin, "/loans/v1/laboratories", body)


async def return_goods(stage: Stage) -> None:
    """Both sides assay what comes back. What counts is what it contains, and not what it weighs."""
    operator, path = stage.parties.depot_operator, _path(stage)
    await register_laboratories(stage)
    much = await refusal_of(operator.post(f"{path}/returns", _goods(stage, 6, OWN_CONTENT, "EU-27-0")))
    stage.screen.refused(f"The {PARTNER} brings {mass(6 * RETURN_UNIT_G)}", much)
    poor = await operator.post(f"{path}/returns", _goods(stage, REJECTED_UNITS, OWN_CONTENT, "EU-27-1"))
    unknown = _assay(stage, REJECTED_CONTENT, "SAO-27-311", LABORATORY)
    unregistered = await refusal_of(operator.post(f"{path}/returns/{poor['returned']}/assays", unknown))
    stage.screen.refused("An assay by a laboratory that nobody has registered", unregistered)
    found = _assay(stage, REJECTED_CONTENT, "SAO-27-311", fit=False)
    signed = await by_two(stage, operator, f"{path}/returns/{poor['returned']}/assays", found | {"by": "independent"})
    rejected = followed(signed, "loans.return_rejected.v1")
    stage.screen.say(
        f"{mass(poor['mass_g'])} come back at {OWN_CONTENT} by the {PARTNER}'s own assay. The Reserve's finds {REJECTED_CONTENT}: "
        f"{rejected['reason'].split(' by ')[0]}, [red]rejected[/], and all is owed as before."
    )
    sound = await operator.post(f"{path}/returns", _goods(stage, RETURN_UNITS, OWN_CONTENT, "EU-27-2"))
    assays = f"{path}/returns/{sound['returned']}/assays"
    independent = _assay(stage, INDEPENDENT_CONTENT, "SAO-27-312") | {"by": "independent"}
    split = followed(await by_two(stage, operator, assays, independent), "loans.return_assayed.v1")
    umpire = _assay(stage, UMPIRE_CONTENT, "UMP-27-9", UMPIRE) | {"by": "umpire"}
    settled = followed(await by_two(stage, operator, assays, umpire), "loans.return_settled.v1")
    with stage.screen.waiting("inventory takes it in, and the loan is credited"):
        credited = await until("the return to be credited", lambda: _credited(stage, sound["returned"]))
    stage.screen.say(
        f"{mass(sound['mass_g'])} come back at {OWN_CONTENT}; the Reserve's assay says {INDEPENDENT_CONTENT}. "
        f"That is {split['difference']} apart, beyond the splitting limit of {MATERIAL_TERMS['splitting_limit']}: an umpire finds "
        f"{UMPIRE_CONTENT}, between the two."
    )
    assert settled["contained_g"] == credited["contained_g"]
    loan = await _loan(stage)
    lent_g = loan["lent_g"] * RETURN_UNITS // (LENT_G // RETURN_UNIT_G)
    rows = [
        ("lent, of as many lots", mass(RETURN_UNITS * RETURN_UNIT_G), mass(lent_g)),
        ("given back", mass(credited["mass_g"]), mass(credited["contained_g"])),
        ("short", "-", mass(lent_g - credited["contained_g"])),
    ]
    stage.screen.table("Normalised: the same weight, less metal", ("three lots", "weigh", "contain"), [rows])
    stage.screen.say(
        f"As lot {credited['taken_in_as'][:12]}... it is stock again. {mass(loan['owed_g'])} are still owed, premium included."
    )
    await tie_out(stage)
    await _show_books(stage)


async def settle_rest(stage: Stage) -> None:
    """The last lot is not worth a voyage: it is paid, at the price that the terms name, and at no other."""
    before = await _partner_limit(stage)
    owed_g = (await _loan(stage))["owed_g"]
    operator, path = stage.parties.operator, f"{_path(stage)}/cash-settlement"
    body = {"price_minor": RISEN_PRICE_MINOR, "source": MATERIAL_TERMS["cash_basis"], "reference": "bank-2027-0520"}
    cheap = await refusal_of(operator.post(path, body | {"price_minor": OWN_PRICE_MINOR}))
    stage.screen.refused(f"Settling it at {OWN_PRICE_MINOR} cents a gram", cheap)
    paid = followed(await by_two(stage, operator, path, body), "loans.material_cash_settled.v1")
    with stage.screen.waiting("the facility hears of it"):
        after = await until("the headroom to be back", lambda: _less_committed(stage, before["committed_minor"]))
    stage.screen.say(
        f"For the last {mass(owed_g)} the {PARTNER} pays {money(paid['amount_minor'])}. The loan is closed, and "
        f"{money(after['headroom_minor'])} may be lent to it again."
    )
    await tie_out(stage)


async def _show_books(stage: Stage) -> None:
    figures = await of_material_loan(stage.parties.auditor, stage.material_loans[0])
    rows = [(name, *(f"{grams:,} g" for grams in (said, booked))) for name, said, booked in figures]
    stage.screen.table("The loan by its own word, and by the ledger's accounts", ("contained antimony", "loan", "ledger"), [rows])


def _goods(stage: Stage, units: int, content: str, serials: str) -> dict[str, Any]:
    return {
        "product": LENT.product,
        "depot": PORT_SELBY,
        "units": units,
        "nominal_unit_g": RETURN_UNIT_G,
        "serials": [f"{serials}{number:02}" for number in range(1, units + 1)],
        "origin": "BE",
        "custody_model": "segregated",
        "assay": _assay(stage, content, f"own-{serials}", "the borrower's own (invented)"),
        "received_on": _today(stage),
    }


def _assay(stage: Stage, content: str, report: str, laboratory: str = INDEPENDENT_LABORATORY, *, fit: bool = True) -> dict[str, Any]:
    return {
        "report": report,
        "laboratory": laboratory,
        "assayed_on": _today(stage),
        "contents": {"Sb": content},
        "in_specification": fit,
    }


async def _quote(stage: Stage, price_minor: str) -> None:
    quote = {"asset": "contained/Sb", "rate": price_minor, "quoted_on": _today(stage), "source": "a trade paper (invented)"}
    await by_two(stage, stage.parties.operator, f"/loans/v1/facilities/{LENDING}/rates", quote)


async def _owed(stage: Stage, on: str) -> tuple[str, ...]:
    found = await stage.parties.partners[LENT_TO].get(f"{_path(stage)}/premium", on=on)
    days = found["tranches"][0]["days_held"]
    return (f"{days}", *(mass(found[name]) for name in ("principal_g", "premium_g", "owed_g")))


async def _draw(stage: Stage, release: str) -> Any:
    return await stage.parties.partners[LENT_TO].post(f"/inventory/v1/releases/{release}/draws", {"mass_g": LENT_G})


async def _drawn(stage: Stage, release: str) -> Any | None:
    try:
        return await _draw(stage, release)
    except ProblemAnswer as problem:
        if problem.code != "loan_not_committed":  # inventory hears of the commitment in a moment
            raise
        return None


def _path(stage: Stage) -> str:
    return f"/loans/v1/material-loans/{stage.material_loans[0]}"


def _today(stage: Stage) -> str:
    return stage.clock.now.date().isoformat()


async def _loan(stage: Stage) -> Any:
    return await stage.parties.partners[LENT_TO].get(_path(stage))


async def _offered(stage: Stage) -> Any | None:
    found = await all_rows(stage.parties.partners[LENT_TO], "/loans/v1/material-loans", status="offered")
    return found[0] if found else None


async def _release(stage: Stage, release: str) -> Any | None:
    try:
        return await stage.parties.partners[LENT_TO].get(f"/inventory/v1/releases/{release}")
    except ProblemAnswer as problem:
        if problem.status != 404:
            raise
        return None


async def _with_status(stage: Stage, status: str) -> Any | None:
    found = await _loan(stage)
    return found if found["status"] == status else None


async def _credited(stage: Stage, returned: str) -> Any | None:
    found = await stage.parties.partners[LENT_TO].get(f"{_path(stage)}/returns/{returned}")
    return found if found["status"] == "credited" else None


async def _partner_limit(stage: Stage) -> Any:
    facility = await stage.parties.auditor.get(f"/loans/v1/facilities/{LENDING}")
    (limit,) = [limit for limit in facility["limits"] if limit["key"] == f"partner/{LENT_TO}"]
    return limit


async def _less_committed(stage: Stage, than_minor: int) -> Any | None:
    found = await _partner_limit(stage)
    return found if found["committed_minor"] < than_minor else None
