"""Rounds: the list, and one with who gets what by it, who approved it, and what is next to be done.

What a round would award is worked out by its service alone, and only as a proposal, which is recorded: a page that compared outcomes for
named partners would be a way to shop for one.
"""

import asyncio
from collections.abc import Awaitable
from fractions import Fraction
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response

from services.console import shown
from services.console.acting import Act, around_one, mass_of, recorded, signed, step
from services.console.asking import LONG_TIMEOUT_S, ROWS, Answer, Wanted
from services.console.pages.requests import Cursor, Id
from services.console.spreadsheet import spreadsheet
from services.console.visit import TypedForm, Visit, Visiting

type Status = Literal["open", "proposed", "certified", "released", "cancelled"]

STATUSES = ("open", "proposed", "certified", "released", "cancelled")
COLUMNS = ("round", "product", "status", "opened_on", "rule", "disruption", "expires_on", "decision")
LOOKED_UP = 50  # requests of a round that has no decision yet

router = APIRouter(prefix="/rounds")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What a round has for one request. `award_g` None: nothing is worked out yet. `bound_by`: why it got less than was accepted."""

    request: str
    partner: str
    asked_g: int
    accepted_g: int | None
    award_g: int | None
    days: str
    bound_by: str


@router.get("")
async def list_rounds(visit: Visiting, status: Status | None = None, cursor: Cursor = None) -> Response:
    found = await visit.reader.get("allocation", "/v1/rounds", status=status, cursor=cursor, limit=ROWS)
    return visit.page("rounds.html", rounds=found, statuses=STATUSES, chosen=status)


@router.get("/rounds.csv")
async def rounds_file(visit: Visiting, status: Status | None = None) -> Response:
    return await spreadsheet(visit, "allocation", "/v1/rounds", COLUMNS, status=status)


@router.get("/{round}")
async def show_round(visit: Visiting, round: Id, supply_kg: Annotated[str, Query(max_length=40)] = "") -> Response:
    """`supply_kg`: what the form to propose is to have."""
    return await _round_page(visit, round, "propose", TypedForm({"supply_kg": supply_kg}))


@router.get("/{round}/decision.json")
async def decision_file(visit: Visiting, round: Id) -> Response:
    """As the service has it, byte for byte: what an approver takes home, has recomputed, and signs."""
    return await visit.document(Wanted(service="allocation", path=f"/v1/rounds/{round}/decision", as_is=True), "decision.json")


@router.get("/{round}/certificate")
async def certificate_page(visit: Visiting, round: Id) -> Response:
    """The page that the service makes, for print."""
    found = await visit.reader.get("allocation", f"/v1/rounds/{round}")
    decision = None if found.data is None else found.data["decision"]
    return await visit.document(Wanted(service="allocation", path=f"/v1/certificates/{decision}", accept="text/html", as_is=True))


@router.post("/{round}/propose")
async def propose(visit: Visiting, round: Id) -> Response:
    typed = await visit.typed()
    supply_g = mass_of(typed, "supply_kg")
    if isinstance(supply_g, Answer):
        return await _round_page(visit, round, "propose", typed, supply_g)
    proposed = Act(
        service="allocation",
        path=f"/v1/rounds/{round}/propose",
        body={"supply_g": supply_g},
        form=lambda typed, refused: _round_page(visit, round, "propose", typed, refused),
        preview="propose.html",
        around=around_one(visit, "allocation", f"/v1/rounds/{round}", "round"),
        after=lambda _: f"/rounds/{round}",
        timeout_s=LONG_TIMEOUT_S,
    )
    return await step(visit, typed, proposed)


@router.post("/{round}/approvals")
async def approve(visit: Visiting, round: Id) -> Response:
    return await _signed(visit, round, "approvals")


@router.post("/{round}/certify")
async def certify(visit: Visiting, round: Id) -> Response:
    return await _signed(visit, round, "certify")


async def _signed(visit: Visit, round: str, act: str) -> Response:
    """What `reserve approve` has written, sent on as it is."""
    typed = await visit.typed()
    approval = signed(typed)
    if isinstance(approval, Answer):
        return await _round_page(visit, round, act, typed, approval)
    body = {"attestation": approval} if act == "certify" else approval
    done = await visit.reader.post("allocation", f"/v1/rounds/{round}/{act}", body, typed.get("key", ""))

    def form(refused: Answer) -> Awaitable[Response]:
        return _round_page(visit, round, act, typed, refused)

    return await recorded(visit, done, lambda _: f"/rounds/{round}", form)


async def _round_page(visit: Visit, round: str, form: str, typed: TypedForm, refused: Answer | None = None) -> Response:
    found = await visit.reader.get("allocation", f"/v1/rounds/{round}")
    if found.problem is not None:
        return visit.page("round.html", found)
    view = found.data
    decision = f"/v1/rounds/{round}/decision" if view["decision"] else None
    paths = [decision] if decision else [f"/v1/requests/{each}" for each in view["requests"][:LOOKED_UP]]
    around, me, stock = await asyncio.gather(
        visit.reader.several("allocation", paths),
        visit.reader.get("allocation", "/v1/me"),
        visit.reader.get("allocation", "/v1/stock"),
    )
    failed = next((answer for answer in around if answer.problem is not None), None)
    context: dict[str, Any] = {
        "lines": [] if failed else decided(around[0].data) if decision else [_asked(answer.data) for answer in around],
        "failed": failed,
        "beyond": 0 if decision else len(view["requests"]) - len(paths),
        "holdings": None if failed or not decision else (around[0].data.get("holdings") or {}).get("content"),
        "powers": [] if me.problem is not None else _powers(me.data, view["product"]),
        "stock": stock,
        **{"form": form, "typed": typed, "refused": refused},
    }
    return visit.page("round.html", found, status=None if refused is None else refused.status or 503, round=view, **context)


def _powers(me: dict[str, Any], product: str) -> list[dict[str, Any]]:
    """The instruments that the reader may act under for the product. One that names none is for all."""
    return [power for power in me["powers"] if product in (power["products"] or [product])]


def decided(file: dict[str, Any]) -> list[Line]:
    """The lines of a decision file, the largest award first."""
    lines = [line["content"] for line in file["lines"]]
    return sorted((_line(line) for line in lines), key=lambda line: (-(line.award_g or 0), line.partner, line.request))


def _line(line: dict[str, Any]) -> Line:
    claimant = line["claimant"]
    award_g, cap_g, accepted_g = line["award_g"], claimant.get("cap_g"), claimant["accepted_g"]
    bound = "its cap" if cap_g is not None and award_g >= cap_g and cap_g < accepted_g else "" if award_g >= accepted_g else "the supply"
    daily_g = claimant["daily_consumption_g"]
    return Line(
        request=claimant["request"],
        partner=claimant["partner"],
        asked_g=claimant["asked_g"],
        accepted_g=accepted_g,
        award_g=award_g,
        days=shown.days(str(Fraction(award_g, daily_g))) if daily_g else "",
        bound_by=bound,
    )


def _asked(request: dict[str, Any]) -> Line:
    return Line(
        request=request["request"],
        partner=request["partner"],
        asked_g=request["mass_g"],
        accepted_g=request["accepted_g"],
        award_g=None,
        days="",
        bound_by="",
    )
