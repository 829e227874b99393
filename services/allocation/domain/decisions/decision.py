"""The decision of a round: a canonical document, named by its SHA-256, that an auditor recomputes whole and a partner as far as it goes.

What is hashed (and approved) is the published part, `Decision`: the terms, the rule's working, and for each claimant's line only a
commitment, SHA-256(salt || canonical line). A `DecisionFile` is that part with lines opened beside it: all of them for an auditor, its own
for a partner. So every file of a round has the same name, and nobody's line can be changed without changing it.

Of two forms: `reserve.decision.v1` knew one pool, no caps, and two rules. What it lacks is UNSET, and so is not written. `decision_check`
recomputes both.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from services.allocation.domain import rules
from services.allocation.domain.decisions.holdings import Document, Holdings, Units, UnitSize
from services.allocation.domain.rules import (
    Claim,
    Group,
    IepFigures,
    Method,
    RuleInputError,
    Share,
    Step,
    Turn,
    apportion,
    group_of,
    rational,
    right_g,
)
from shared.journal.record import MAX_INTEGER, Grams

type Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]  # hex
type Salt = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]  # 16 random bytes, hex: a line of few possible values cannot be guessed

FORMAT: Literal["reserve.decision.v2"] = "reserve.decision.v2"
FIRST_FORMAT: Literal["reserve.decision.v1"] = "reserve.decision.v1"
ONE_POOL = "all"  # of a round whose terms name no pools


class PublishedPool(Document, frozen=True, kw_only=True):
    """A part of the supply, and in words who may have of it. It names no lot: what the reserve holds is not disclosed."""

    pool: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_-]{0,39}$")]  # "lots", "lots_2", "rights"
    kind: Literal["lots", "rights"]
    restricted: str  # "not of origin CN", "matures by 2026-03-31"; "" where everyone in the round may have of it
    offered: tuple[Units, ...]  # largest unit first


class DecisionTerms(Document, frozen=True, kw_only=True):
    """What everyone in the round may know of its inputs. `offered`: what all pools offer together, largest unit first; `pools`: in the
    order in which they are handed out. `compose` fills in what is not told. Caps of single partners stand in their lines alone."""

    format: Literal["reserve.decision.v1", "reserve.decision.v2"] = FORMAT
    round: str
    product: str
    rule: str
    inside: dict[str, str] | UnsetType = UNSET  # for `priority`: the rule of each class ("0"); "" is for all others
    cap: Fraction | UnsetType | None = UNSET  # the largest part of what is offered that one partner may get
    restraint: Fraction | UnsetType | None = UNSET  # for `iep`
    policy: str
    policy_version: int
    disruption: str | None
    offered: tuple[Units, ...] = ()
    pools: tuple[PublishedPool, ...] | UnsetType = UNSET

    @property
    def method(self) -> Method:
        return Method(self.rule, self.inside or {})


class Claimant(Document, frozen=True, kw_only=True):
    """The inputs of one line. Partners compete with what was accepted, at most what they asked."""

    request: str
    partner: str
    agreement: str | None
    agreement_version: int | None
    asked_g: Grams
    accepted_g: Grams
    minimum_g: Grams = 0
    priority_class: Annotated[int, msgspec.Meta(ge=0)] = 0
    carry_in_g: Fraction = Fraction(0)
    daily_consumption_g: Grams | None = None
    cap_g: Grams | UnsetType | None = UNSET  # the most that it may get, by quota or by the method's caps
    pools: tuple[str, ...] | UnsetType = UNSET  # those that it may have of
    position: IepFigures | UnsetType | None = UNSET  # its partner's, for `iep`
    part_of_right: Fraction | UnsetType = UNSET  # of its partner's right: as much as was accepted of it, among the partner's requests


class LineTake(Document, frozen=True, kw_only=True):
    """Whole units of a pool, of one size."""

    pool: str
    unit_g: UnitSize
    units: Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]


class DecisionLine(Document, frozen=True, kw_only=True):
    """One claimant's inputs and outcome. `iteration` and `turns` place it in the published steps. `days_of_cover`: what the award buys at
    the stated daily consumption; None if none was stated."""

    claimant: Claimant
    right_g: Fraction | UnsetType | None = UNSET  # iep: its allocation right; below 0, an obligation
    entitlement_g: Fraction
    award_g: Grams
    takes: tuple[LineTake, ...] | UnsetType = UNSET  # what the award is made up of, in the order of the steps
    carry_out_g: Fraction
    days_of_cover: Fraction | None
    iteration: Annotated[int, msgspec.Meta(ge=0)]
    turns: tuple[Turn, ...]


class Opened[T](Document, frozen=True, kw_only=True):
    """Something committed to, with the salt that opens its commitment."""

    salt: Salt
    content: T


class Decision(Document, frozen=True, kw_only=True):
    """The published part. `lines`: the claimants' commitments in the order of their digits, which tells nothing about who is who."""

    terms: DecisionTerms
    group: Group | UnsetType | None = UNSET  # for `iep`
    steps: tuple[Step, ...]
    left_g: Grams
    holdings: Sha256
    lines: tuple[Sha256, ...]


class DecisionFile(Document, frozen=True, kw_only=True):
    """A decision with what the reader may see opened. `lines`: by request id."""

    decision: Decision
    holdings: Opened[Holdings] | None
    lines: tuple[Opened[DecisionLine], ...]

    def __post_init__(self) -> None:
        first = self.decision.terms.format == FIRST_FORMAT
        parts = [self.decision, self.decision.terms, *self.decision.steps]
        parts += [part for line in self.lines for part in (line.content, line.content.claimant)]
        parts += [self.holdings.content] if self.holdings is not None else []
        for part in parts:
            for name in _ADDED[type(part)]:
                missing = getattr(part, name) is UNSET
                if missing != first and not (missing and name in _LATER):
                    raise ValueError(f"{name} is {'not of' if first else 'missing in'} {self.decision.terms.format}")


_ADDED: Mapping[type, tuple[str, ...]] = {
    kind: tuple(field.name for field in msgspec.structs.fields(kind) if field.default is UNSET)
    for kind in (Decision, DecisionTerms, Step, DecisionLine, Claimant, Holdings)
}  # with the second form
_LATER = ("beside", "partners")  # of holdings: files of the second form that were made before lack them


class UnreadableDecision(ValueError):
    """The bytes are no decision file."""


def compose(terms: DecisionTerms, holdings: Opened[Holdings], claimants: Sequence[Opened[Claimant]]) -> DecisionFile:
    """Decide a round. The salts come with the inputs, fresh and random, one each. Raises `RuleInputError`.

    What is UNSET is as it was before there was such a thing: one pool of what the terms offer, for everyone, and no caps.
    """
    first = terms.format == FIRST_FORMAT
    pools = terms.pools or (PublishedPool(pool=ONE_POOL, kind="lots", restricted="", offered=terms.offered),)
    if not first:
        terms, holdings = _completed_terms(terms, pools), _completed_holdings(holdings)
        claimants = _completed_claimants(claimants, pools)
    group = _group(terms, holdings.content, claimants)
    result = apportion(terms.method, [_pool(pool) for pool in pools], [claim_of(terms, group, each.content) for each in claimants])
    order = {pool.id: place for place, pool in enumerate(result.pools)}
    in_order = sorted((_largest_first(pool) for pool in pools), key=lambda pool: order[pool.pool])
    by_request = {claimant.content.request: claimant for claimant in claimants}
    lines = []
    for share in result.shares:
        claimant = by_request[share.claim.id]
        lines.append(Opened(salt=claimant.salt, content=line_of(terms, in_order, group, claimant.content, share)))
    offered = _together(pools)
    decision = Decision(
        terms=msgspec.structs.replace(terms, offered=offered, pools=UNSET if first else tuple(in_order)),
        group=UNSET if first else group,
        steps=tuple(msgspec.structs.replace(step, pool=UNSET, branch=UNSET) for step in result.steps) if first else result.steps,
        left_g=result.left_g,
        holdings=commitment(holdings),
        lines=tuple(sorted(commitment(line) for line in lines)),
    )
    return DecisionFile(decision=decision, holdings=holdings, lines=tuple(lines))


def partner_view(file: DecisionFile, partner: str) -> DecisionFile:
    """The file with only this partner's lines opened. It has the same name."""
    return own_view(file, {line.content.claimant.request for line in file.lines if line.content.claimant.partner == partner})


def own_view(file: DecisionFile, requests: Collection[str]) -> DecisionFile:
    """The file with only the lines of these requests opened: those that a reader may see. It has the same name."""
    own = tuple(line for line in file.lines if line.content.claimant.request in requests)
    return msgspec.structs.replace(file, holdings=None, lines=own)


def decision_hash(document: Decision | DecisionFile) -> str:
    """The name of a decision: the SHA-256 (hex) of its published part's canonical bytes; all files of a round have the same."""
    decision = document.decision if isinstance(document, DecisionFile) else document
    return hashlib.sha256(canonical_document(decision)).hexdigest()


def commitment(opened: Opened[Holdings] | Opened[DecisionLine]) -> str:
    """SHA-256(salt || canonical content), hex."""
    return hashlib.sha256(bytes.fromhex(opened.salt) + canonical_document(opened.content)).hexdigest()


def canonical_document(document: msgspec.Struct) -> bytes:
    """The one spelling of a document: JSON with sorted keys, rationals as strings, no floats."""
    return _ENCODER.encode(document)


def read_file(data: bytes) -> DecisionFile:
    """Any spelling of a decision file. Raises `UnreadableDecision`."""
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError as error:  # also what is JSON but no decision file
        raise UnreadableDecision(str(error)) from error


def claim_of(terms: DecisionTerms, group: Group | None, claimant: Claimant) -> Claim:
    """What the rules know of a line. Raises `RuleInputError`."""
    if claimant.accepted_g > claimant.asked_g:
        raise RuleInputError(
            "accepted_above_asked", f"claims.{claimant.request}", "more is accepted than was asked", f"at most {claimant.asked_g}"
        )
    right = _right_g(terms, group, claimant)
    return Claim(
        id=claimant.request,
        claim_g=claimant.accepted_g,
        carry_g=claimant.carry_in_g,
        minimum_g=claimant.minimum_g,
        priority_class=claimant.priority_class,
        cap_g=None if claimant.cap_g is UNSET else claimant.cap_g,
        right_g=None if right is None else max(right, Fraction(0)),
        pools=None if claimant.pools is UNSET else claimant.pools,
    )


def line_of(terms: DecisionTerms, pools: Sequence[PublishedPool], group: Group | None, claimant: Claimant, share: Share) -> DecisionLine:
    """`pools`: in their order."""
    first = terms.format == FIRST_FORMAT
    own = stages_of(claimant, pools)
    takes = tuple(
        LineTake(pool=pool, unit_g=unit_g, units=turn.units) for (pool, unit_g), turn in zip(own, share.turns, strict=True) if turn.units
    )
    return DecisionLine(
        claimant=claimant,
        right_g=UNSET if first else _right_g(terms, group, claimant),
        entitlement_g=share.entitlement_g,
        award_g=share.award_g,
        takes=UNSET if first else takes,
        carry_out_g=share.carry_g,
        days_of_cover=Fraction(share.award_g, claimant.daily_consumption_g) if claimant.daily_consumption_g else None,
        iteration=share.iteration,
        turns=share.turns,
    )


def stages_of(claimant: Claimant, pools: Sequence[PublishedPool]) -> list[tuple[str, int]]:
    """The pools and unit sizes that a claimant takes part in, in their order."""
    own = [pool for pool in pools if claimant.pools is UNSET or pool.pool in claimant.pools]
    return [(pool.pool, units.unit_g) for pool in own for units in pool.offered]


def _right_g(terms: DecisionTerms, group: Group | None, claimant: Claimant) -> Fraction | None:
    """Below 0: an obligation. None: the line is not decided by iep."""
    if group is None or not isinstance(terms.restraint, Fraction) or terms.method.rule_of(claimant.priority_class) != "iep":
        return None
    if not isinstance(claimant.position, IepFigures) or not isinstance(claimant.part_of_right, Fraction):
        raise RuleInputError("position_missing", f"positions.{claimant.partner}", "iep needs its position", "one for each partner")
    return right_g(claimant.position, terms.restraint, group.kappa) * claimant.part_of_right


def _group(terms: DecisionTerms, holdings: Holdings, claimants: Sequence[Opened[Claimant]]) -> Group | None:
    if "iep" not in (terms.rule, *(terms.inside or {}).values()):
        return None
    if not isinstance(terms.restraint, Fraction):
        raise RuleInputError("restraint_invalid", "restraint", "iep needs one", "a part of consumption, such as 93/100")
    positions = {position.partner: position for position in holdings.positions or ()}
    if len(positions) < len(holdings.positions or ()):
        raise RuleInputError("position_duplicate", "positions", "a partner comes twice", "each partner once")
    for claimant in claimants:
        if claimant.content.position not in (UNSET, None, positions.get(claimant.content.partner)):
            raise RuleInputError(
                "position_differs", f"positions.{claimant.content.partner}", "its line has another position", "one for each partner"
            )
    return group_of(positions.values(), terms.restraint)


def _completed_terms(terms: DecisionTerms, pools: tuple[PublishedPool, ...]) -> DecisionTerms:
    return msgspec.structs.replace(terms, inside=terms.inside or {}, cap=terms.cap or None, restraint=terms.restraint or None, pools=pools)


def _completed_holdings(holdings: Opened[Holdings]) -> Opened[Holdings]:
    told = holdings.content
    content = msgspec.structs.replace(
        told, held=told.held or (), profiles=told.profiles or (), barred=told.barred or (), positions=told.positions or ()
    )
    return msgspec.structs.replace(holdings, content=content)


def _completed_claimants(claimants: Sequence[Opened[Claimant]], pools: Sequence[PublishedPool]) -> list[Opened[Claimant]]:
    everything = tuple(pool.pool for pool in pools)
    accepted_g: dict[str, int] = {}
    for each in claimants:
        accepted_g[each.content.partner] = accepted_g.get(each.content.partner, 0) + each.content.accepted_g
    completed = []
    for each in claimants:
        told = each.content
        content = msgspec.structs.replace(
            told,
            cap_g=None if told.cap_g is UNSET else told.cap_g,
            pools=everything if told.pools is UNSET else told.pools,
            position=told.position or None,
            part_of_right=Fraction(told.accepted_g, accepted_g[told.partner]) if accepted_g[told.partner] else Fraction(1),
        )
        completed.append(Opened(salt=each.salt, content=content))
    return completed


def _pool(pool: PublishedPool) -> rules.Pool:
    counts = {units.unit_g: units.units for units in pool.offered}
    if len(counts) < len(pool.offered):
        raise RuleInputError("unit_duplicate", "offered", "a unit size comes twice", "each unit size once")
    return rules.Pool(id=pool.pool, units=counts, kind=pool.kind)


def _largest_first(pool: PublishedPool) -> PublishedPool:
    return msgspec.structs.replace(pool, offered=tuple(sorted(pool.offered, key=lambda units: -units.unit_g)))


def _together(pools: Sequence[PublishedPool]) -> tuple[Units, ...]:
    counts: dict[int, int] = {}
    for units in (units for pool in pools for units in pool.offered):
        counts[units.unit_g] = counts.get(units.unit_g, 0) + units.units
    return tuple(Units(unit_g=unit_g, units=counts[unit_g]) for unit_g in sorted(counts, reverse=True))


def _write(value: object) -> object:
    if isinstance(value, Fraction):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} has no place in a decision")


def _read(kind: type, value: object) -> object:
    if kind is Fraction and isinstance(value, str):
        return rational(value)
    raise ValueError(f"expected a {kind.__name__} as a string")


_ENCODER = msgspec.json.Encoder(order="sorted", enc_hook=_write)
_DECODER = msgspec.json.Decoder(DecisionFile, dec_hook=_read)
