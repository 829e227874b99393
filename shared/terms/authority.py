"""Authority: by what power a person acts, and whether it covers what they do.

An authority is given to a holder by an instrument: an act of parliament, a direction, a delegation. One that stands under another is a
part of it, so whoever cites the lower one cites the whole chain up to the root, and every link must cover the act. A limit is of all that
is done under it, or under what stands under it, in its days: what is split is summed. Pure: who looks up an authority, and what was done
under it, and records that it was cited, is the service.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise

import msgspec

from shared.journal.decider import Reasons, Refused

MAX_LINKS = 10  # of a chain


class Kind(StrEnum):
    ACT = "act"  # of a parliament: it stands under nothing
    DIRECTION = "direction"
    DELEGATION = "delegation"  # only of what may be delegated


class Fault(Reasons):
    """Why an authority does not cover an act, the nearest miss last. Each value is the `code` of an RFC 9457 problem."""

    MISSING = "authority_missing", 403, "No authority covers this"
    OF_ANOTHER = "authority_of_another", 403, "The authority is another person's"
    OTHER_ACT = "authority_other_act", 403, "The authority does not cover this act"
    OTHER_PRODUCT = "authority_other_product", 403, "The authority does not cover this product"
    NOT_DELEGABLE = "authority_not_delegable", 403, "The power may not be delegated"
    OUT_OF_DATE = "authority_out_of_date", 403, "The authority is not in force"
    OVER_LIMIT = "authority_over_limit", 403, "The authority's limit is exceeded"
    CONFLICT = "conflict_of_interest", 403, "A declared conflict of interest prevents this"  # whatever the authority covers


class Acting(msgspec.Struct, frozen=True, kw_only=True):
    """An officer who stands in for the holder, both days included. The holder may go on acting."""

    subject: str
    valid_from: date
    valid_until: date


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done under an authority, or under one that stands under it. `name`: what counts once, however often it is cited
    for."""

    name: str
    on: date
    mass_g: int | None = None
    amount_minor: int | None = None
    currency: str | None = None


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    version: int  # of its stream
    kind: Kind
    under: str | None  # the authority that it is a part of
    holder: str  # an opaque subject, never a person's name
    acting: tuple[Acting, ...] = ()
    acts: frozenset[str]
    products: frozenset[str] = frozenset()  # empty: all
    limit_g: int | None = None  # None: no limit
    limit_minor: int | None = None
    currency: str | None = None  # of `limit_minor`, ISO 4217
    valid_from: date
    valid_until: date  # the last day
    may_sub_delegate: bool = False
    ended_on: date | None = None  # from that day on it counts no more
    window_days: int | None = None  # what is done in so many is within the limits together; None: each act is, by itself
    uses: tuple[Use, ...] = ()  # in those days, as looked up when somebody acts; else none


type Chain = tuple[Authority, ...]  # from the one that is cited to its root


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody is about to do. `concerns`: whom and what it is about, by `interest_in`."""

    act: str
    product: str | None = None  # None: it is about no single one, which only an authority over all of them covers
    mass_g: int | None = None  # None: it moves none
    amount_minor: int | None = None
    currency: str | None = None
    concerns: Collection[str] = ()
    name: str = ""  # by which it counts once; "": whenever it is done


class Exercise(msgspec.Struct, frozen=True, kw_only=True):
    """An action of a person on a day, as an authority covers it or not."""

    action: Action
    by: str
    on: date


class Link(msgspec.Struct, frozen=True, kw_only=True):
    authority: str
    version: int


class Cited(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was checked, and found to cover the act."""

    authority: str
    version: int
    under: tuple[Link, ...]  # from its parent to the root
    act: str
    by: str
    product: str | None
    mass_g: int | None
    amount_minor: int | None
    currency: str | None
    summed: tuple[str, ...] = ()  # of all these, those whose limits are of what is done in some days


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """In what capacity somebody acts, as looked up before: what they hold or may act under, and what they have an interest in."""

    by: str
    on: date
    held: tuple[Chain, ...] = ()
    named: str | None = None  # the one authority that they say they act under
    conflicts: frozenset[str] = frozenset()  # declared, by any account of theirs
    others: frozenset[str] = frozenset()  # the other accounts of the same person

    @property
    def accounts(self) -> frozenset[str]:
        return self.others | {self.by}


class Uncovered(msgspec.Struct, frozen=True):
    """No authority covers the act; `fault` is of the one that came nearest."""

    fault: Fault
    detail: str
    accepted: str


def chain_of(authorities: Mapping[str, Authority], id: str) -> Chain | None:
    """The authority with all that it stands under; None if any of them is not known."""
    chain: list[Authority] = []
    up: str | None = id
    while up is not None:
        if (found := authorities.get(up)) is None or len(chain) == MAX_LINKS:
            return None
        chain.append(found)
        up = found.under
    return tuple(chain)


def holds(authority: Authority, by: str, on: date) -> bool:
    """Whether a person is its holder, or acts for them on that day."""
    return by == authority.holder or any(each.subject == by and each.valid_from <= on <= each.valid_until for each in authority.acting)


def fault_of(chain: Chain, exercise: Exercise) -> Fault | None:
    """What keeps the first of the chain from covering the act; None: it covers it."""
    if not chain:
        return Fault.MISSING
    if not holds(chain[0], exercise.by, exercise.on):
        return Fault.OF_ANOTHER
    if any(exercise.action.act not in each.acts for each in chain):
        return Fault.OTHER_ACT
    if any(each.products and exercise.action.product not in each.products for each in chain):
        return Fault.OTHER_PRODUCT
    if not _linked(chain):
        return Fault.NOT_DELEGABLE
    if not all(_in_force(each, exercise.on) for each in chain):
        return Fault.OUT_OF_DATE
    if any(_excess(each, exercise) is not None for each in chain):
        return Fault.OVER_LIMIT
    return None


def still_covers(cited: Cited | None, authorities: Mapping[str, Chain], on: date) -> bool:
    """Whether what was cited covers the same act on another day. `authorities`: what is cited, as it is then."""
    if cited is None:
        return False
    action = Action(act=cited.act, product=cited.product, mass_g=cited.mass_g, amount_minor=cited.amount_minor, currency=cited.currency)
    return fault_of(authorities.get(cited.authority, ()), Exercise(action=action, by=cited.by, on=on)) is None


def narrowest(held: Sequence[Chain], exercise: Exercise, named: str | None = None) -> Cited | Uncovered:
    """The least of the authorities that cover the act, or `named` alone. `held`: chains that the person may hold; those that are others'
    are passed over."""
    if named is not None:
        held = [chain for chain in held if chain and chain[0].id == named]
    covering: list[Chain] = []
    faults: list[Fault] = []
    over: list[_Excess] = []
    for chain in held:
        if (fault := fault_of(chain, exercise)) is None:
            covering.append(chain)
        elif fault is not Fault.OF_ANOTHER or named is not None:
            faults.append(fault)
            over += [_least(chain, exercise)] if fault is Fault.OVER_LIMIT else []
    if covering:
        return _cited(min(covering, key=_width), exercise)
    nearest = max(faults, key=list(Fault).index, default=Fault.MISSING)
    which = "no authority covers" if named is None else f"{named} does not cover"
    act = exercise.action.act
    detail, accepted = f"{which} {act} by {exercise.by} on {exercise.on}", f"an authority for {act} in force"
    if nearest is Fault.OVER_LIMIT and over:
        least = max(over, key=lambda excess: excess.left)
        return Uncovered(nearest, f"{detail}: {least}", f"{least.accepted}, or {accepted} with a higher limit")
    return Uncovered(nearest, detail, accepted)


def interest_in(about: str, name: str) -> str:
    """What one may have an interest in, by a key: a name is the same however it is spaced or capitalised."""
    return f"{about}/{' '.join(name.split()).casefold()}"


def cite(capacity: Capacity | None, action: Action) -> Cited | Refused[Fault]:
    """What the person acts under, or why they may not. No capacity: nobody acts."""
    if capacity is None:
        return Refused(Fault.MISSING, f"nobody is named who may {action.act}")
    if found := sorted(capacity.conflicts.intersection(action.concerns)):
        return Refused(Fault.CONFLICT, f"a conflict of interest is declared: {found[0]}", accepted="a person without one")
    cited = narrowest(capacity.held, Exercise(action=action, by=capacity.by, on=capacity.on), capacity.named)
    return Refused(cited.fault, cited.detail, "/authority", cited.accepted) if isinstance(cited, Uncovered) else cited


def wider_than(child: Authority, parent: Authority) -> str | None:
    """In what a child reaches beyond its parent; None: in nothing. It names a field."""
    if not child.acts <= parent.acts:
        return "acts"
    if parent.products and not (child.products and child.products <= parent.products):
        return "products"
    if parent.limit_g is not None and (child.limit_g is None or child.limit_g > parent.limit_g):
        return "limit_g"
    if parent.limit_minor is not None and (
        child.limit_minor is None or child.limit_minor > parent.limit_minor or child.currency != parent.currency
    ):
        return "limit_minor"
    if child.valid_from < parent.valid_from:
        return "valid_from"
    if child.valid_until > parent.valid_until:
        return "valid_until"
    return None


def _linked(chain: Chain) -> bool:
    """Each link stands under the next, and a delegation under what may be delegated; the root under nothing."""
    linked = all(
        child.under == parent.id and (child.kind is not Kind.DELEGATION or parent.may_sub_delegate) for child, parent in pairwise(chain)
    )
    return linked and chain[-1].under is None


def _in_force(authority: Authority, on: date) -> bool:
    ended = authority.ended_on is not None and authority.ended_on <= on
    return authority.valid_from <= on <= authority.valid_until and not ended


class _Excess(msgspec.Struct, frozen=True, kw_only=True):
    """By how much an act is over a limit, with what was done before it; `unit`: "g", or a currency's minor units."""

    authority: Authority
    unit: str
    limit: int
    used: int
    wanted: int
    until: date | None  # from this day on more is left; None: nothing was done before

    @property
    def left(self) -> int:
        return max(self.limit - self.used, 0)

    @property
    def accepted(self) -> str:
        return f"up to {self.left} {self.unit}{'' if self.until is None else f' until {self.until}'}"

    def __str__(self) -> str:
        days = f" in {self.authority.window_days} days, {self.used} of them before" if self.used else ""
        return f"{self.used + self.wanted} {self.unit}{days}, and {self.authority.id} is limited to {self.limit}"


def _excess(authority: Authority, exercise: Exercise) -> _Excess | None:
    """None: it is within the limits."""
    action = exercise.action
    before = _before(authority, exercise)
    if authority.limit_g is not None and action.mass_g is not None:
        mass_g = sum(each.mass_g or 0 for each in before)
        if mass_g + action.mass_g > authority.limit_g:
            return _excess_of(authority, "g", authority.limit_g, mass_g, action.mass_g, [each.on for each in before if each.mass_g])
    if authority.limit_minor is None or action.amount_minor is None:
        return None
    same = [each for each in before if each.currency == authority.currency and each.amount_minor]
    amount = sum(each.amount_minor or 0 for each in same)
    if action.currency != authority.currency or amount + action.amount_minor > authority.limit_minor:
        unit = f"minor units of {authority.currency}"
        return _excess_of(authority, unit, authority.limit_minor, amount, action.amount_minor, [each.on for each in same])
    return None


def _excess_of(authority: Authority, unit: str, limit: int, used: int, wanted: int, days: Collection[date]) -> _Excess:
    until = min(days) + timedelta(days=authority.window_days) if days and authority.window_days is not None else None
    return _Excess(authority=authority, unit=unit, limit=limit, used=used, wanted=wanted, until=until)


def _before(authority: Authority, exercise: Exercise) -> list[Use]:
    """What counts beside the act."""
    if authority.window_days is None:
        return []
    after = exercise.on - timedelta(days=authority.window_days)
    name = exercise.action.name
    return [each for each in authority.uses if each.on > after and not (name and each.name == name)]


def _least(chain: Chain, exercise: Exercise) -> _Excess:
    """Of the link that leaves the least."""
    return min((excess for each in chain if (excess := _excess(each, exercise)) is not None), key=lambda excess: excess.left)


def _cited(chain: Chain, exercise: Exercise) -> Cited:
    own, *above = chain
    return Cited(
        authority=own.id,
        version=own.version,
        under=tuple(Link(authority=each.id, version=each.version) for each in above),
        act=exercise.action.act,
        by=exercise.by,
        product=exercise.action.product,
        mass_g=exercise.action.mass_g,
        amount_minor=exercise.action.amount_minor,
        currency=exercise.action.currency,
        summed=tuple(each.id for each in chain if each.window_days is not None),
    )


def _width(chain: Chain) -> tuple[bool, int, bool, int, bool, int, int, date, str]:
    """Narrower sorts first: by its limits, its products, its acts, its last day. No limit is the widest."""
    own = chain[0]
    return (
        own.limit_g is None,
        own.limit_g or 0,
        own.limit_minor is None,
        own.limit_minor or 0,
        not own.products,
        len(own.products),
        len(own.acts),
        own.valid_until,
        own.id,
    )
