"""Screening in a book, told in commands: what was found, who decides on a hit, who objects and is answered."""

from datetime import timedelta
from typing import Any

from services.allocation.domain.book.objections import AnswerObjection, RaiseObjection
from services.allocation.domain.book.requests import Findings
from services.allocation.domain.book.screening import DecideHit, Screened, ScreenParties
from services.allocation.events import Hit, HitId, ListName, SubjectId
from tests.stories.book import ANOTHER, OPERATOR, TODAY, UNIT_G, request_id

LISTS = {ListName("entity-list"): 1}
PARTNER = SubjectId("sub_partner")
UNTIL = TODAY + timedelta(days=10)


def hit(name: str = "1", **changes: Any) -> Hit:
    told: dict[str, Any] = {"hit": f"hit_{name}", "role": "nominee", "list": "entity-list", "entry": f"E-{name}", "match": "near"}
    return Hit(**(told | changes))


def screen(*hits: Hit, name: str = "jp", lists: dict[ListName, int] = LISTS, beyond: int = 0) -> ScreenParties:
    return ScreenParties(screened=(Screened(request=request_id(name), lists=lists, hits=hits, beyond=beyond),))


def decide_hit(outcome: Any, hit: str = "1", name: str = "jp") -> DecideHit:
    return DecideHit(request=request_id(name), hit=HitId(f"hit_{hit}"), outcome=outcome, reason="looked at", by=OPERATOR)


def findings(**changes: Any) -> Findings:
    told: dict[str, Any] = {"findings": {}, "not_pre_cleared": (), "by": OPERATOR, "objections_until": UNTIL}
    return Findings(**(told | changes))


def objection(name: str = "1", **changes: Any) -> RaiseObjection:
    told: dict[str, Any] = {
        "objection": f"obj_{name}",
        "request": request_id("jp"),
        "reasons": ("more is needed",),
        "by": PARTNER,
        "on": UNTIL,
    }
    return RaiseObjection(**(told | changes))


def answer(upheld: bool, units: int | None = None, name: str = "1", **changes: Any) -> AnswerObjection:
    told: dict[str, Any] = {
        "objection": f"obj_{name}",
        "upheld": upheld,
        "accepted_g": None if units is None else units * UNIT_G,
        "reasons": ("looked at again",),
        "by": ANOTHER,
        "involved": (OPERATOR,),
        "lists": {},
        "on": TODAY,
    }
    return AnswerObjection(**(told | changes))
