"""What partners sign, in words."""

from collections.abc import Callable, Mapping
from typing import Any

from services.allocation.events.papers import PartnerKeyPaper
from services.allocation.events.requests import RequestPaper
from services.allocation.events.screening import ObjectionPaper
from services.inventory.events import DrawPaper
from shared.terms.papers import Paper


def _of_partner_key(document: PartnerKeyPaper) -> list[tuple[str, str]]:
    return [("registers", f"key {document.key}"), ("public key", document.public_key), ("for", document.partner)]


def _of_draw(document: DrawPaper) -> list[tuple[str, str]]:
    rights = ", and of rights what lots do not cover" if document.assign_rights else ""
    return [
        ("draws", f"{document.mass_g} g under {document.release}{rights}"),
        ("lots", ", ".join(document.lots) or "any"),
        *_sent(document),
    ]


def _of_request(document: RequestPaper) -> list[tuple[str, str]]:
    lent = "" if document.return_on is None else f", as a loan that comes back by {document.return_on}"
    statement = document.statement
    typed = {"event": statement.event, "impact": statement.impact, "alternatives": statement.alternatives, "quality": statement.quality}
    return [
        ("asks for", f"{document.mass_g} g of {document.product} by {document.needed_by}, {document.minimum_g} g at least{lent}"),
        ("consumption", f"{document.daily_consumption_g} g a day; the statement is of {statement.duration_days} days"),
        ("nominee", document.nominee),
        ("consignee", document.consignee),
        ("end user", f"{document.end_user}, for {document.end_use}"),
        ("contents", ", ".join(f"{share} {element} at least" for element, share in sorted(document.least_contents.items())) or "any"),
        ("origins", f"not {', '.join(document.excluded_origins)}" if document.excluded_origins else "any"),
        *((f"commitment to {name}", commitment) for name, commitment in typed.items() if commitment),
        *_sent(document),
    ]


def _of_objection(document: ObjectionPaper) -> list[tuple[str, str]]:
    return [
        ("objects", f"to what was accepted of {document.request}"),
        *((f"commitment to reason {number}", commitment) for number, commitment in enumerate(document.reasons, 1)),
        *_sent(document),
    ]


def _sent(document: DrawPaper | RequestPaper | ObjectionPaper) -> list[tuple[str, str]]:
    return [
        ("for", document.partner),
        ("sent by", f"{document.subject}, with {document.client}, under the Idempotency-Key {document.idempotency_key}"),
    ]


WORDS: Mapping[type[Paper], Callable[[Any], list[tuple[str, str]]]] = {
    PartnerKeyPaper: _of_partner_key,
    DrawPaper: _of_draw,
    RequestPaper: _of_request,
    ObjectionPaper: _of_objection,
}
