"""Decisions: a round's document against its name, against the journal, and against the rule worked out again."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from hashlib import sha256
from typing import Annotated, Any

import msgspec

from services.allocation.events import AwardGranted, ReleaseOrder, RoundCertified, RoundOpened, RoundProposed
from services.audit.hashes import canonical
from services.audit.rules import Claim, UnknownRule, share
from shared.record import MAX_INTEGER

type Whole = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the journal has it."""

    partner: str
    product: str
    mass_g: int
    minimum_g: int
    daily_consumption_g: int
    accepted_g: int = 0


class ToCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A certified round, with what the journal knew when it was certified."""

    place: str
    opened: RoundOpened
    proposed: RoundProposed
    certified: RoundCertified
    granted: tuple[AwardGranted, ...]
    asked: Mapping[str, Asked]  # the round's requests
    carries_g: Mapping[str, str]  # of the product before the round, by partner


class _Units(msgspec.Struct, frozen=True):
    unit_g: Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
    units: Whole


class _Terms(msgspec.Struct, frozen=True, kw_only=True):
    round: str
    product: str
    rule: str
    policy: str
    policy_version: int
    disruption: str | None
    offered: tuple[_Units, ...]


class _Published(msgspec.Struct, frozen=True, kw_only=True):
    terms: _Terms
    left_g: Whole
    holdings: str
    lines: tuple[str, ...]


class _Claimant(msgspec.Struct, frozen=True, kw_only=True):
    request: str
    partner: str
    asked_g: Whole
    accepted_g: Whole
    minimum_g: Whole
    priority_class: int
    carry_in_g: str
    daily_consumption_g: int | None


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    claimant: _Claimant
    entitlement_g: str
    award_g: Whole
    carry_out_g: str
    days_of_cover: str | None


class _Opened(msgspec.Struct, frozen=True):
    salt: str
    content: msgspec.Raw


class _File(msgspec.Struct, frozen=True, kw_only=True):
    decision: msgspec.Raw
    holdings: _Opened
    lines: tuple[_Opened, ...]


def faults_of(round: ToCheck, published: bytes | None, file: bytes | None, order: bytes | None) -> Iterator[str]:
    """What is wrong with the decision of a certified round, given its documents. `order`: None also where an earlier build kept none."""
    if published is None or file is None:
        yield "its documents are not kept"
        return
    if sha256(published).hexdigest() != round.certified.decision or sha256(file).hexdigest() != round.proposed.file:
        yield "the documents are not the ones that were decided"
        return
    yield from _faults_of_order(round, order)
    try:
        whole = msgspec.json.decode(file, type=_File)
        decision = msgspec.json.decode(published, type=_Published)
        lines = [msgspec.json.decode(opened.content, type=_Line) for opened in whole.lines]
        yield from _faults_of_form(whole, decision, published)
        yield from _faults_against_the_journal(round, decision, lines)
        yield from _faults_of_the_rule(decision, lines)
    except (ValueError, ZeroDivisionError) as error:  # no JSON, not of this shape, a rational that is none
        yield f"the documents do not read as a decision: {error}"
    except UnknownRule as error:
        yield f"the rule {error} is not known to this auditor"


def _faults_of_order(round: ToCheck, order: bytes | None) -> Iterator[str]:
    """Inventory releases by the order: it must say what was granted."""
    named = round.certified.release_order
    if named != round.proposed.release_order:
        yield "the release order is not the one that was proposed"
    if named is None:
        return
    if order is None or sha256(order).hexdigest() != named:
        yield "its release order is not kept"
        return
    try:
        read = msgspec.json.decode(order, type=ReleaseOrder)
    except msgspec.DecodeError as error:
        yield f"its release order does not read as one: {error}"
        return
    ordered = sorted((award.award, award.request, award.partner, award.mass_g) for award in read.awards)
    if ordered != sorted((award.award, award.request, award.partner, award.mass_g) for award in round.granted):
        yield "its release order is not what was granted"


def _faults_of_form(whole: _File, decision: _Published, published: bytes) -> Iterator[str]:
    if bytes(whole.decision) != published:
        yield "the file is of another decision"
    if sorted(_commitment(line) for line in whole.lines) != list(decision.lines) or _commitment(whole.holdings) != decision.holdings:
        yield "the opened lines are not the ones that were committed to"


def _commitment(opened: _Opened) -> str:
    content = canonical(msgspec.json.decode(opened.content))
    return sha256(bytes.fromhex(opened.salt) + content).hexdigest()


def _faults_against_the_journal(round: ToCheck, decision: _Published, lines: list[_Line]) -> Iterator[str]:
    opened, terms = round.opened, decision.terms
    stated = (terms.round, terms.product, terms.rule, terms.policy, terms.policy_version, terms.disruption)
    if stated != (opened.round, opened.product, opened.method.rule, opened.policy, opened.policy_version, opened.disruption):
        yield "its terms are not those of the round"
    if round.proposed.decision != round.certified.decision:
        yield "what was certified is not what was proposed"
    if round.proposed.supply_g != sum(units.unit_g * units.units for units in terms.offered):
        yield "it offers another mass than was proposed"
    awards = sorted((award.request, award.partner, award.mass_g) for award in round.granted)
    if awards != sorted((line.claimant.request, line.claimant.partner, line.award_g) for line in lines if line.award_g):
        yield "its lines are not the awards that were certified"
    for line in lines:
        yield from _faults_of_claimant(round, line.claimant)
    carried: dict[str, Fraction] = {}
    for line in lines:
        carried[line.claimant.partner] = carried.get(line.claimant.partner, Fraction(0)) + Fraction(line.claimant.carry_in_g)
    for partner, carry_g in carried.items():
        if carry_g != Fraction(round.carries_g.get(partner, "0")):
            yield f"{partner} comes in with a carry of {carry_g} g, and the round before left {round.carries_g.get(partner, '0')} g"


def _faults_of_claimant(round: ToCheck, claimant: _Claimant) -> Iterator[str]:
    asked = round.asked.get(claimant.request)
    if asked is None:
        yield f"{claimant.request} is not in the round"
        return
    stated = (claimant.partner, claimant.asked_g, claimant.minimum_g, claimant.daily_consumption_g)
    if stated != (asked.partner, asked.mass_g, asked.minimum_g, asked.daily_consumption_g):
        yield f"{claimant.request} is not what {asked.partner} asked for"
    if claimant.accepted_g > asked.accepted_g:
        yield f"{claimant.request} counts with {claimant.accepted_g} g, and {asked.accepted_g} g were accepted"


def _faults_of_the_rule(decision: _Published, lines: list[_Line]) -> Iterator[str]:
    supply = {units.unit_g: units.units for units in decision.terms.offered}
    claims = [
        Claim(
            line.claimant.request,
            line.claimant.accepted_g,
            Fraction(line.claimant.carry_in_g),
            line.claimant.minimum_g,
            line.claimant.priority_class,
        )
        for line in lines
    ]
    if not supply or len(supply) < len(decision.terms.offered) or len({claim.id for claim in claims}) < len(claims):
        yield "a size or a request comes twice, or nothing is offered"
        return
    outcomes = share(decision.terms.rule, supply, claims)
    for line in lines:
        outcome, claimant = outcomes[line.claimant.request], line.claimant
        days = Fraction(line.award_g, claimant.daily_consumption_g) if claimant.daily_consumption_g else None
        yield from _differ(claimant.request, "award_g", line.award_g, outcome.award_g)
        yield from _differ(claimant.request, "entitlement_g", line.entitlement_g, str(outcome.entitlement_g))
        yield from _differ(claimant.request, "carry_out_g", line.carry_out_g, str(outcome.carry_g))
        yield from _differ(claimant.request, "days_of_cover", line.days_of_cover, None if days is None else str(days))
    left_g = sum(unit_g * units for unit_g, units in supply.items()) - sum(outcome.award_g for outcome in outcomes.values())
    yield from _differ("the round", "left_g", decision.left_g, left_g)


def _differ(who: str, what: str, stated: Any, computed: Any) -> Iterator[str]:
    if stated != computed:
        yield f"{what} of {who} is {stated}, worked out again {computed}"
