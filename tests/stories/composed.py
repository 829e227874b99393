"""Decisions composed of claims that are said in a line each, and the values of a document one by one."""

import hashlib
from collections.abc import Collection
from fractions import Fraction
from typing import Any

import msgspec

from services.allocation.domain.decisions.composing import compose
from services.allocation.domain.decisions.decision import FORMAT, Claimant, DecisionFile, DecisionTerms, Format, Opened
from services.allocation.domain.decisions.holdings import Holdings, Units
from services.allocation.domain.decisions.sealed import OwnFile, SealedDecision, View, own_line, publish
from services.allocation.domain.rules import IepFigures


def salt(number: int) -> str:
    return hashlib.sha256(b"%d" % number).hexdigest()[:32]


SECOND: Format = "reserve.decision.v2"


def terms(rule: str = "pro_rata", form: Format = FORMAT, **units: int) -> DecisionTerms:
    offered = tuple(Units(unit_g=int(size[1:]), units=count) for size, count in (units or {"g1": 100}).items())
    return DecisionTerms(
        format=form,
        round="rnd_1",
        product="antimony-metal",
        rule=rule,
        restraint=Fraction(93, 100) if rule == "iep" else None,
        policy="pol_1",
        policy_version=3,
        disruption="dis_1",
        offered=offered,
    )


def claimant(request: str, partner: str, asked_g: int, **more: Any) -> Claimant:
    defaults = {"accepted_g": asked_g, "agreement": f"agr_{partner}", "agreement_version": 2}
    return Claimant(request=request, partner=partner, asked_g=asked_g, **{**defaults, **more})


def position(partner: str, base_g: int, commitment_g: int, production_g: int, imports_g: int) -> IepFigures:
    return IepFigures(
        partner=partner, base_g=base_g, commitment_g=commitment_g, production_g=production_g, imports_g=imports_g, source="statistics"
    )


POSITIONS = {
    "JP": position("JP", 300, 40, 0, 150),
    "US": position("US", 400, 60, 50, 200),
    "EU": position("EU", 90, 20, 0, 30),
    "AU": position("AU", 10, 0, 60, 0),  # it has more than it may consume
}
HOLDINGS = Opened(salt=salt(0), content=Holdings(available_g=300, protected_g=200, positions=tuple(POSITIONS.values())))


def decide(the_terms: DecisionTerms, *claimants: Claimant) -> DecisionFile:
    """Each with its partner's position, where the rule goes by those."""
    placed = [
        msgspec.structs.replace(content, position=POSITIONS[content.partner]) if the_terms.rule == "iep" else content
        for content in claimants
    ]
    return compose(the_terms, HOLDINGS, [Opened(salt=salt(n), content=content) for n, content in enumerate(placed, start=1)])


def leaves(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else None
    return [path] if items is None else [leaf for key, value in items for leaf in leaves(value, (*path, key))]


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def partner_view(file: DecisionFile, partner: str) -> View:
    """What a partner is given of it. It has the same name."""
    return own_view(file, {line.content.claimant.request for line in file.lines if line.content.claimant.partner == partner})


def own_view(file: DecisionFile, requests: Collection[str]) -> View:
    """The file with only the lines of these requests opened: those that a reader may see. It has the same name."""
    own = tuple(line for line in file.lines if line.content.claimant.request in requests)
    published = publish(file)
    if isinstance(published, SealedDecision):
        return OwnFile(decision=published, lines=tuple(map(own_line, own)))
    return msgspec.structs.replace(file, holdings=None, lines=own)
