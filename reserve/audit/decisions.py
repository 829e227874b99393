"""Decisions: a round's document against its name, against the journal, and against the rule worked out again."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from hashlib import sha256
from math import floor
from typing import Annotated, Any

import msgspec

from reserve.audit.hashes import canonical
from reserve.audit.positions import Group, IepPosition, group_of, right_g
from reserve.audit.rules import Claim, Outcome, Pool, UnknownRule, in_order, share
from reserve.audit.sealed import FORMAT, sealed
from services.allocation.events import AwardGranted, PartnerCode, ReleaseOrder, RoundCertified, RoundOpened, RoundProposed
from shared.journal.record import MAX_INTEGER

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
    classes: Mapping[str, int] = {}  # by partner, as the agreement that was read says


class _Units(msgspec.Struct, frozen=True):
    unit_g: Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
    units: Whole


class _Pool(msgspec.Struct, frozen=True):
    pool: str
    kind: str
    offered: tuple[_Units, ...]


class _Terms(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    round: str
    product: str
    rule: str
    policy: str
    policy_version: int
    disruption: str | None
    offered: tuple[_Units, ...]
    inside: dict[str, str] = {}
    cap: str | None = None
    restraint: str | None = None
    pools: tuple[_Pool, ...] | None = None  # None: of the first form, which knew one


class _Published(msgspec.Struct, frozen=True, kw_only=True):
    terms: _Terms
    group: Group | None = None
    left_g: Whole
    holdings: str
    lines: tuple[str, ...]


class _Claimant(msgspec.Struct, frozen=True, kw_only=True):
    request: str
    partner: str
    agreement: str | None = None
    agreement_version: int | None = None
    asked_g: Whole
    accepted_g: Whole
    minimum_g: Whole
    priority_class: int
    carry_in_g: str
    daily_consumption_g: int | None
    cap_g: Whole | None = None
    pools: tuple[str, ...] | None = None
    position: IepPosition | None = None
    part_of_right: str = "1"


class _Take(msgspec.Struct, frozen=True):
    pool: str
    unit_g: int
    units: int


class _Held(msgspec.Struct, frozen=True):
    source: str
    pool: str | None


class _PartnerTerms(msgspec.Struct, frozen=True):
    partner: PartnerCode
    agreement: str
    agreement_version: int
    quota_left_g: Whole
    own_cap: str | None
    carry_g: str


class _Holdings(msgspec.Struct, frozen=True):
    protected_g: Whole
    held: tuple[_Held, ...] = ()
    positions: tuple[IepPosition, ...] = ()
    partners: tuple[_PartnerTerms, ...] | None = None  # None: an earlier build did not write them down


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    claimant: _Claimant
    entitlement_g: str
    award_g: Whole
    carry_out_g: str
    right_g: str | None = None
    takes: tuple[_Take, ...] | None = None
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
    ordered = list(_faults_of_order(round, order))
    yield from ordered
    try:
        whole = msgspec.json.decode(file, type=_File)
        decision = msgspec.json.decode(whole.decision, type=_Published)
        lines = [msgspec.json.decode(opened.content, type=_Line) for opened in whole.lines]
        yield from _faults_of_form(file, whole, decision, published)
        yield from _faults_against_the_journal(round, decision, lines)
        holdings = msgspec.json.decode(whole.holdings.content, type=_Holdings)
        if order is not None and not ordered:
            yield from _faults_of_takes(msgspec.json.decode(order, type=ReleaseOrder), decision.terms, lines, holdings)
        yield from _faults_of_holdings(round, holdings)
        positions = holdings.positions
        if positions != tuple(IepPosition(**msgspec.structs.asdict(position)) for position in round.opened.positions):
            yield "it was decided with other positions than the round was opened with"
        yield from _faults_of_the_rule(decision, lines, positions)
    except (ValueError, KeyError, ZeroDivisionError) as error:  # no JSON, not of this shape, a rational that is none
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


def _faults_of_takes(order: ReleaseOrder, terms: _Terms, lines: Sequence[_Line], holdings: _Holdings) -> Iterator[str]:
    """Approvers sign the decision alone: what inventory takes of which lots must be what stands there."""
    taken = {award.request: [(take.pool, take.unit_g, take.units) for take in award.takes] for award in order.awards}
    stated = {line.claimant.request: [(take.pool, take.unit_g, take.units) for take in line.takes or ()] for line in lines if line.award_g}
    if taken != stated:
        yield "its release order takes of other pools than the decision says"
    if [(pool.pool, pool.kind) for pool in order.pools] != [(pool.pool, pool.kind) for pool in terms.pools or ()]:
        yield "its release order has other pools than the decision"
    for pool in order.pools:
        if pool.lots and sorted(pool.lots) != sorted(held.source for held in holdings.held if held.pool == pool.pool):
            yield f"its release order makes {pool.pool} of other lots than the decision does"


def _faults_of_holdings(round: ToCheck, holdings: _Holdings) -> Iterator[str]:
    """Approvers compare the lines with the agreements that stand beside them: those must be the journal's."""
    if holdings.partners is None:
        return
    reads, caps = round.proposed.reads, round.opened.method.caps
    for told in holdings.partners:
        stated = (told.agreement, told.agreement_version, told.quota_left_g, told.own_cap, Fraction(told.carry_g))
        if (read := reads.agreements.get(told.partner)) is None:
            yield f"its holdings name {told.partner}, of whom no agreement was read"
            continue
        carry_g = Fraction(reads.carries_g.get(told.partner, "0"))
        if stated != (read.agreement, read.version, max(read.quota_g - read.used_g, 0), caps.get(told.partner), carry_g):
            yield f"its holdings give {told.partner} another agreement, quota, cap or carry than was read"
    if holdings.protected_g != reads.protected_g:
        yield f"its holdings protect {holdings.protected_g} g, and {reads.protected_g} g were protected"


def _faults_of_form(file: bytes, whole: _File, decision: _Published, published: bytes) -> Iterator[str]:
    if decision.terms.format == FORMAT:
        expected = sealed(msgspec.json.decode(file))
        if canonical(expected) != published:
            yield "the file is of another decision"
        if (expected["lines"], expected["holdings"]) != (list(decision.lines), decision.holdings):
            yield "the opened lines are not the ones that were committed to"
        return
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
    if (terms.inside, terms.cap, terms.restraint) != (opened.method.inside, opened.method.cap, opened.method.restraint):
        yield "it does not share by the method of the round"
    if round.proposed.decision != round.certified.decision:
        yield "what was certified is not what was proposed"
    if round.proposed.supply_g != sum(units.unit_g * units.units for units in terms.offered):
        yield "it offers another mass than was proposed"
    awards = sorted((award.request, award.partner, award.mass_g) for award in round.granted)
    if awards != sorted((line.claimant.request, line.claimant.partner, line.award_g) for line in lines if line.award_g):
        yield "its lines are not the awards that were certified"
    limits = _limits(round, decision, lines)
    for line in lines:
        yield from _faults_of_claimant(round, line.claimant, limits.get(line.claimant.request))
    carried: dict[str, Fraction] = {}
    for line in lines:
        carried[line.claimant.partner] = carried.get(line.claimant.partner, Fraction(0)) + Fraction(line.claimant.carry_in_g)
    for partner, carry_g in carried.items():
        if carry_g != Fraction(round.carries_g.get(partner, "0")):
            yield f"{partner} comes in with a carry of {carry_g} g, and the round before left {round.carries_g.get(partner, '0')} g"


def _limits(round: ToCheck, decision: _Published, lines: Sequence[_Line]) -> dict[str, tuple[int, int | None]]:
    """(what counts, cap) by request: a partner's requests use up what is left of its quota, and its cap, in the order of their ids."""
    terms, method = decision.terms, round.opened.method
    if terms.pools is None:
        return {}  # the first form knew no caps
    offered_g = sum(units.unit_g * units.units for units in terms.offered)
    quotas = {partner: max(read.quota_g - read.used_g, 0) for partner, read in round.proposed.reads.agreements.items()}
    parts = {partner: method.caps.get(partner, method.cap) for partner in quotas}
    most = {partner: floor(Fraction(part) * offered_g) for partner, part in parts.items() if part is not None}
    limits: dict[str, tuple[int, int | None]] = {}
    for claimant in sorted((line.claimant for line in lines), key=lambda claimant: claimant.request):
        asked, partner = round.asked.get(claimant.request), PartnerCode(claimant.partner)
        if asked is None or partner not in quotas:
            continue
        rule = terms.inside.get(str(claimant.priority_class), terms.inside.get("", "pro_rata")) if terms.rule == "priority" else terms.rule
        within_g = min(asked.accepted_g, quotas[partner])
        quotas[partner] -= within_g
        cap_g = within_g if rule == "quota_capped" else None
        if partner in most:
            cap_g = min(within_g, most[partner])
            most[partner] -= cap_g
        limits[claimant.request] = (asked.accepted_g if rule == "quota_capped" else within_g, cap_g)
    return limits


def _faults_of_claimant(round: ToCheck, claimant: _Claimant, limits: tuple[int, int | None] | None) -> Iterator[str]:
    asked = round.asked.get(claimant.request)
    if asked is None:
        yield f"{claimant.request} is not in the round"
        return
    stated = (claimant.partner, claimant.asked_g, claimant.minimum_g, claimant.daily_consumption_g)
    if stated != (asked.partner, asked.mass_g, asked.minimum_g, asked.daily_consumption_g):
        yield f"{claimant.request} is not what {asked.partner} asked for"
    read = round.proposed.reads.agreements.get(PartnerCode(claimant.partner))
    if read is not None and (claimant.agreement, claimant.agreement_version) not in ((None, None), (read.agreement, read.version)):
        yield f"{claimant.request} counts by {claimant.agreement}, version {claimant.agreement_version}, which was not read"
    if (said := round.classes.get(claimant.partner, claimant.priority_class)) != claimant.priority_class:
        yield f"{claimant.request} is in class {claimant.priority_class}, and its agreement says {said}"
    if claimant.accepted_g > asked.accepted_g:
        yield f"{claimant.request} counts with {claimant.accepted_g} g, and {asked.accepted_g} g were accepted"
    if limits is not None:
        yield from _differ(claimant.request, "accepted_g", claimant.accepted_g, limits[0])
        yield from _differ(claimant.request, "cap_g", claimant.cap_g, limits[1])


def _faults_of_the_rule(decision: _Published, lines: list[_Line], positions: Sequence[IepPosition]) -> Iterator[str]:
    terms = decision.terms
    pools = terms.pools if terms.pools is not None else (_Pool("all", "lots", terms.offered),)
    supply = [Pool(pool.pool, pool.kind, {units.unit_g: units.units for units in pool.offered}) for pool in pools]
    if not any(pool.units for pool in supply) or len({line.claimant.request for line in lines}) < len(lines):
        yield "a request comes twice, or nothing is offered"
        return
    if any(len(pool.units) < len(told.offered) for pool, told in zip(supply, pools, strict=True)):
        yield "a size comes twice"
        return
    group = group_of(positions, terms.restraint) if terms.restraint is not None else None
    rights = _rights_g(lines, group, terms.restraint)
    claims = [_claim(line.claimant, rights.get(line.claimant.request)) for line in lines]
    outcomes = share(terms.rule, terms.inside, supply, claims)
    for line in lines:
        yield from _faults_of_outcome(line, outcomes[line.claimant.request], rights.get(line.claimant.request))
    yield from _differ("the round", "group", decision.group, group if "iep" in (terms.rule, *terms.inside.values()) else None)
    yield from _differ("the round", "offered", _by_size(terms.offered), _by_size([units for pool in pools for units in pool.offered]))
    yield from _differ("the round", "order of pools", [pool.id for pool in supply], [pool.id for pool in in_order(supply, claims)])
    offered_g = sum(unit_g * units for pool in supply for unit_g, units in pool.units.items())
    yield from _differ("the round", "left_g", decision.left_g, offered_g - sum(outcome.award_g for outcome in outcomes.values()))
    for line in lines:
        told = line.claimant.position
        if told is not None and told not in positions:
            yield f"the position of {line.claimant.partner} is not the one that the round was decided with"


def _claim(claimant: _Claimant, right: Fraction | None) -> Claim:
    return Claim(
        claimant.request,
        claimant.accepted_g,
        Fraction(claimant.carry_in_g),
        claimant.minimum_g,
        claimant.priority_class,
        claimant.cap_g,
        None if right is None else max(right, Fraction(0)),
        claimant.pools,
    )


def _rights_g(lines: Sequence[_Line], group: Group | None, restraint: str | None) -> dict[str, Fraction]:
    """By request: those of one partner share its right by what was accepted of them."""
    if group is None or restraint is None:
        return {}
    accepted_g: dict[str, int] = {}
    for line in lines:
        accepted_g[line.claimant.partner] = accepted_g.get(line.claimant.partner, 0) + line.claimant.accepted_g
    return {
        line.claimant.request: right_g(line.claimant.position, group, restraint)
        * (Fraction(line.claimant.accepted_g, accepted_g[line.claimant.partner]) if accepted_g[line.claimant.partner] else 1)
        for line in lines
        if line.claimant.position is not None
    }


def _faults_of_outcome(line: _Line, outcome: Outcome, right: Fraction | None) -> Iterator[str]:
    claimant = line.claimant
    days = Fraction(line.award_g, claimant.daily_consumption_g) if claimant.daily_consumption_g else None
    yield from _differ(claimant.request, "award_g", line.award_g, outcome.award_g)
    yield from _differ(claimant.request, "entitlement_g", line.entitlement_g, str(outcome.entitlement_g))
    yield from _differ(claimant.request, "carry_out_g", line.carry_out_g, str(outcome.carry_g))
    yield from _differ(claimant.request, "days_of_cover", line.days_of_cover, None if days is None else str(days))
    if line.takes is not None:
        taken = [_Take(pool, unit_g, units) for (pool, unit_g), units in outcome.units.items() if units]
        yield from _differ(claimant.request, "takes", list(line.takes), taken)
    if line.right_g is not None:
        yield from _differ(claimant.request, "right_g", line.right_g, None if right is None else str(right))


def _by_size(offered: Sequence[_Units]) -> dict[int, int]:
    sizes: dict[int, int] = {}
    for units in offered:
        sizes[units.unit_g] = sizes.get(units.unit_g, 0) + units.units
    return {unit_g: sizes[unit_g] for unit_g in sorted(sizes)}


def _differ(who: str, what: str, stated: Any, computed: Any) -> Iterator[str]:
    if stated != computed:
        yield f"{what} of {who} is {stated}, worked out again {computed}"
