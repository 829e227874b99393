"""Kept: a form that was sent and did not get through, on a page that sends it again: with what was typed, under the same key."""

from typing import Any

import msgspec
from fastapi import Request
from starlette.responses import Response

from services.console.asking import Answer
from services.console.visit import Console, Visit

# What people type, and what it is called where they do. The rest of a form goes with it unseen.
LABELS = {
    "supply_kg": "Supply to offer, in kg",
    "signed": "The whole of what you have signed",
    "accepted_kg": "Accepted, in kg",
    "reasons": "Reasons, each on a line",
    "mass_kg": "To draw, in kg",
    "weighed_kg": "What they weigh, in kg",
    "carrier": "Carrier",
    "consignee": "Consignee",
    "delivered_on": "Delivered on",
    "received_by": "The office that signed for it",
    "evidence": "What shows it",
    "scope": "What is put on hold",
    "target": "Which",
    "reason": "Why",
}


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """`label` None: it is not shown."""

    name: str
    value: str
    label: str | None


async def signed_out(console: Console, request: Request, sign_in: str, refused: Answer | None) -> Response:
    """To a post without a session. A redirect to the provider would be none for a form (form-action), and would lose what was typed.
    `sign_in`: the address of the sign-in; `refused`: why a token that has just come is not taken."""
    context: dict[str, Any] = {"fields": await _fields(request), "path": request.url.path, "sign_in": sign_in, "answer": refused}
    return console.page("kept.html", 401, title="Signed out: this was not sent", **context)


async def without_answer(visit: Visit, answer: Answer) -> Response:
    """To a post that may have been done: under another key it could be done twice. `answer`: one that `is_open`."""
    context: dict[str, Any] = {"fields": await _fields(visit.request), "path": visit.request.url.path, "sign_in": "", "answer": answer}
    return visit.page("kept.html", status=503, title="It may have been recorded, or not", **context)


async def _fields(request: Request) -> list[Field]:
    form = await request.form()  # as the route has read it
    return [Field(name=name, value=value, label=LABELS.get(name)) for name, value in form.multi_items() if isinstance(value, str)]
