"""The decision of a round: a canonical document that an auditor recomputes whole, and of which a partner sees what is its own.

Of three forms, each of which is still read and recomputed (`composing`, `check`). A `DecisionFile` has everything: the terms, the rule's
working, the stock behind it, and each claimant's line. What is published of it, and approved by its SHA-256, differs:

- `reserve.decision.v3`: commitments alone (`sealed`), so that nobody works out of its own line what others have claimed.
- `reserve.decision.v2`: the terms and the working, with a commitment for each line.
- `reserve.decision.v1`: the same, of one pool, without caps, and by two rules. What it lacks is UNSET, and so is not written.
"""

import hashlib
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from services.allocation.domain.decisions.holdings import Document, Holdings, Units, UnitSize
from services.allocation.domain.rules import Group, IepFigures, Method, Step, Turn, rational
from shared.journal.record import MAX_INTEGER, Grams

type Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]  # hex
type Salt = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]  # 16 random bytes, hex: a line of few possible values cannot be guessed

type Format = Literal["reserve.decision.v1", "reserve.decision.v2", "reserve.decision.v3"]

FORMAT: Literal["reserve.decision.v3"] = "reserve.decision.v3"
FIRST_FORMAT: Literal["reserve.decision.v1"] = "reserve.decision.v1"
ONE_POOL = "all"  # of a round whose terms name no pools


class PublishedPool(Document, frozen=True, kw_only=True):
    """A part of the supply, and in words who may have of it. It names no lot: what the reserve holds is not disclosed."""

    pool: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_-]{0,39}$")]  # "lots", "lots_2", "rights"
    kind: Literal["lots", "rights"]
    restricted: str  # "not of origin CN", "matures by 2026-03-31"; "" where everyone in the round may have of it
    offered: tuple[Units, ...]  # largest unit first


class DecisionTerms(Document, frozen=True, kw_only=True):
    """The round's inputs that are nobody's own. `offered`: what all pools offer together, largest unit first; `pools`: in the
    order in which they are handed out. `compose` fills in what is not told. Caps of single partners stand in their lines alone."""

    format: Format = FORMAT
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
    carry_in_g: Fraction = msgspec.field(default_factory=Fraction)  # 0. A schema has no room for a fraction
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
    """What is decided. `lines`: the claimants' commitments in the order of their digits, which tells nothing about who is who. Of the first
    two forms this is what is published."""

    terms: DecisionTerms
    group: Group | UnsetType | None = UNSET  # for `iep`
    steps: tuple[Step, ...]
    left_g: Grams
    holdings: Sha256
    lines: tuple[Sha256, ...]


class DecisionFile(Document, frozen=True, kw_only=True):
    """A decision with its lines, by request id, and holdings opened: all of them. Of the first two forms also a partner's, with its own
    lines alone."""

    decision: Decision
    holdings: Opened[Holdings] | None
    lines: tuple[Opened[DecisionLine], ...]

    def __post_init__(self) -> None:
        first = self.decision.terms.format == FIRST_FORMAT
        if self.decision.terms.format == FORMAT and self.holdings is None:
            raise ValueError(f"holdings are missing in {FORMAT}: a file that opens less has another shape")
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


def commitment(opened: Opened[Any]) -> str:
    """SHA-256(salt || canonical content), hex."""
    return hashlib.sha256(bytes.fromhex(opened.salt) + canonical_document(opened.content)).hexdigest()


def canonical_document(document: msgspec.Struct) -> bytes:
    """The one spelling of a document: JSON with sorted keys, rationals as strings, no floats."""
    return _ENCODER.encode(document)


def read_file(data: bytes) -> DecisionFile:
    """Any spelling of a decision file. Raises `UnreadableDecision`."""
    return read_document(data, _DECODER)


def read_document[T](data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Raises `UnreadableDecision`."""
    try:
        return decoder.decode(data)
    except msgspec.DecodeError as error:  # also what is JSON but no decision file
        raise UnreadableDecision(str(error)) from error


def _write(value: object) -> object:
    if isinstance(value, Fraction):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} has no place in a decision")


def _read(kind: type, value: object) -> object:
    if kind is Fraction and isinstance(value, str):
        return rational(value)
    raise ValueError(f"expected a {kind.__name__} as a string")


_ENCODER = msgspec.json.Encoder(order="sorted", enc_hook=_write)


def decoder_of[T](kind: type[T]) -> msgspec.json.Decoder[T]:
    """Of documents in which rationals are strings."""
    return msgspec.json.Decoder(kind, dec_hook=_read)


_DECODER = decoder_of(DecisionFile)
