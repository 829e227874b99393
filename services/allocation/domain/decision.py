"""The decision of a round: a canonical document, named by its SHA-256, that an auditor recomputes whole and a partner as far as it goes.

What is hashed (and approved) is the published part, `Decision`: the terms, the rule's working, and for each claimant's line only a
commitment, SHA-256(salt || canonical line). A `DecisionFile` is that part with lines opened beside it: all of them for an auditor, its own
for a partner. So every file of a round has the same name, and nobody's line can be changed without changing it.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction
from itertools import zip_longest
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from services.allocation.domain.rules import (
    Claim,
    RuleInputError,
    Share,
    Step,
    Turn,
    apportion,
    find_rule,
    rational,
    retrace,
)
from shared.record import MAX_INTEGER, Grams

type Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]  # hex
type Salt = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]  # 16 random bytes, hex: a line of few possible values cannot be guessed


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An unknown field would be hashed by one reader and dropped by another."""


class Units(_Document, frozen=True, kw_only=True):
    """Whole units of one size."""

    unit_g: Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
    units: Grams


class Pool(_Document, frozen=True, kw_only=True):
    """A part of the supply, and in words who may have of it. It names no lot: what the reserve holds is not disclosed."""

    pool: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_-]{0,39}$")]  # "lots", "lots_2", "rights"
    kind: Literal["lots", "rights"]
    restricted: str  # "not of origin CN", "matures by 2026-03-31"; "" where everyone in the round may have of it
    offered: tuple[Units, ...]  # largest unit first


class Terms(_Document, frozen=True, kw_only=True):
    """What everyone in the round may know of its inputs. `offered`: largest unit first."""

    format: Literal["reserve.decision.v1"] = "reserve.decision.v1"
    round: str
    product: str
    rule: str
    policy: str
    policy_version: int
    disruption: str | None
    offered: tuple[Units, ...]


class Held(_Document, frozen=True, kw_only=True):
    """Units of one size of one lot or right."""

    source: str  # "lot_01j...", "right_01j..."
    pool: str | None  # None: nobody in the round may have of it
    unit_g: Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
    units: Grams


class Profile(_Document, frozen=True, kw_only=True):
    """Requests that ask for the same of a lot: none of an origin, so much of an element, by a day."""

    profile: str
    requests: tuple[str, ...]


class Barred(_Document, frozen=True, kw_only=True):
    """Why the requests of a profile may not have of these lots or rights. `profile` None: nobody may."""

    sources: tuple[str, ...]
    profile: str | None
    why: str  # "origin CN excluded", "Sb 0.9965 < 0.9985", "on hold"


class Holdings(_Document, frozen=True, kw_only=True):
    """The stock behind the offer, as it was known, and who might have had what. Information for the auditor, not an input: a decision
    stands when stock moves."""

    available_g: Grams
    protected_g: Grams
    held: tuple[Held, ...] | UnsetType = UNSET
    profiles: tuple[Profile, ...] | UnsetType = UNSET
    barred: tuple[Barred, ...] | UnsetType = UNSET


class Claimant(_Document, frozen=True, kw_only=True):
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


class Line(_Document, frozen=True, kw_only=True):
    """One claimant's inputs and outcome. `iteration` and `turns` place it in the published steps. `days_of_cover`: what the award buys at
    the stated daily consumption; None if none was stated."""

    claimant: Claimant
    entitlement_g: Fraction
    award_g: Grams
    carry_out_g: Fraction
    days_of_cover: Fraction | None
    iteration: Annotated[int, msgspec.Meta(ge=0)]
    turns: tuple[Turn, ...]


class Opened[T](_Document, frozen=True, kw_only=True):
    """Something committed to, with the salt that opens its commitment."""

    salt: Salt
    content: T


class Decision(_Document, frozen=True, kw_only=True):
    """The published part. `lines`: the claimants' commitments in the order of their digits, which tells nothing about who is who."""

    terms: Terms
    steps: tuple[Step, ...]
    left_g: Grams
    holdings: Sha256
    lines: tuple[Sha256, ...]


class DecisionFile(_Document, frozen=True, kw_only=True):
    """A decision with what the reader may see opened. `lines`: by request id."""

    decision: Decision
    holdings: Opened[Holdings] | None
    lines: tuple[Opened[Line], ...]


class Difference(msgspec.Struct, frozen=True):
    """Where a file and its recomputation part; None: one of them has nothing there."""

    where: str
    stated: str | None
    computed: str | None


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a partner could verify. What it could not is listed as such and never under `passed`."""

    passed: tuple[str, ...]
    failed: tuple[Difference, ...]
    not_checkable: tuple[str, ...]


class UnreadableDecision(ValueError):
    """The bytes are no decision file."""


def compose(terms: Terms, holdings: Opened[Holdings], claimants: Sequence[Opened[Claimant]]) -> DecisionFile:
    """Decide a round. The salts come with the inputs, fresh and random, one each. Raises `RuleInputError`."""
    supply = {units.unit_g: units.units for units in terms.offered}
    if len(supply) < len(terms.offered):
        raise RuleInputError("unit_duplicate", "offered", "a unit size comes twice", "each unit size once")
    result = apportion(terms.rule, supply, [_claim(claimant.content) for claimant in claimants])
    by_request = {claimant.content.request: claimant for claimant in claimants}
    lines = tuple(
        Opened(salt=by_request[share.claim.id].salt, content=_line(by_request[share.claim.id].content, share)) for share in result.shares
    )
    largest_first = tuple(sorted(terms.offered, key=lambda units: -units.unit_g))
    decision = Decision(
        terms=msgspec.structs.replace(terms, offered=largest_first),
        steps=result.steps,
        left_g=result.left_g,
        holdings=commitment(holdings),
        lines=tuple(sorted(commitment(line) for line in lines)),
    )
    return DecisionFile(decision=decision, holdings=holdings, lines=lines)


def partner_view(file: DecisionFile, partner: str) -> DecisionFile:
    """The file with only this partner's lines opened. It has the same name."""
    return own_view(file, {line.content.claimant.request for line in file.lines if line.content.claimant.partner == partner})


def own_view(file: DecisionFile, requests: Collection[str]) -> DecisionFile:
    """The file with only the lines of these requests opened: those that a reader may see. It has the same name."""
    own = tuple(line for line in file.lines if line.content.claimant.request in requests)
    return msgspec.structs.replace(file, holdings=None, lines=own)


def recompute(file: DecisionFile) -> list[Difference]:
    """An auditor's check: decide again from the file's own inputs and compare everything, commitments included. [] means equal.

    Whether the inputs are the right ones (requests, agreements, carries of the decision before) is for the journal to say, not for this
    file.
    """
    if file.holdings is None:
        return [Difference("holdings", None, "an opened commitment")]
    claimants = [Opened(salt=line.salt, content=line.content.claimant) for line in file.lines]
    try:
        again = compose(file.decision.terms, file.holdings, claimants)
    except RuleInputError as error:
        return [Difference(error.field, error.detail, error.accepted)]
    return list(_differences("", _plain(file), _plain(again)))


def recompute_own(view: DecisionFile) -> Checked:
    """A partner's check of its own lines, from them and the published part alone."""
    passed: list[str] = []
    failed: list[Difference] = []
    not_checkable = [
        "steps: the parameters, cut-offs and order of ties come from all claims",
        "left_g: needs all awards",
        "holdings: not open in this file",
    ]
    if not view.lines:
        not_checkable.append("lines: none is open in this file")
    for line in view.lines:
        name = f"lines/{line.content.claimant.request}"
        not_checkable.append(f"{name}/claimant/carry_in_g: comes from an earlier decision")
        if (found := commitment(line)) not in view.decision.lines:
            failed.append(Difference(f"{name}/commitment", None, found))
        else:
            passed.append(f"{name}/commitment")
        try:
            again = _retrace(view.decision, line.content)
        except RuleInputError as error:
            if error.code == "rule_unknown":
                not_checkable.append(f"{name}: this version does not know the rule {view.decision.terms.rule}")
            else:
                failed.append(Difference(f"{name}/{error.field}", error.detail, error.accepted))
            continue
        differences = list(_differences(name, _plain(line.content), _plain(again)))
        failed += differences
        outcome = ("entitlement_g", "award_g", "carry_out_g", "days_of_cover", "turns")
        passed += [f"{name}/{part}" for part in outcome if not any(found.where.startswith(f"{name}/{part}") for found in differences)]
    return Checked(passed=tuple(passed), failed=tuple(failed), not_checkable=tuple(not_checkable))


def decision_hash(document: Decision | DecisionFile) -> str:
    """The name of a decision: the SHA-256 (hex) of its published part's canonical bytes; all files of a round have the same."""
    decision = document.decision if isinstance(document, DecisionFile) else document
    return hashlib.sha256(canonical(decision)).hexdigest()


def commitment(opened: Opened[Holdings] | Opened[Line]) -> str:
    """SHA-256(salt || canonical content), hex."""
    return hashlib.sha256(bytes.fromhex(opened.salt) + canonical(opened.content)).hexdigest()


def canonical(document: msgspec.Struct) -> bytes:
    """The one spelling of a document: JSON with sorted keys, rationals as strings, no floats."""
    return _ENCODER.encode(document)


def read_file(data: bytes) -> DecisionFile:
    """Any spelling of a decision file. Raises `UnreadableDecision`."""
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError as error:  # also what is JSON but no decision file
        raise UnreadableDecision(str(error)) from error


def _claim(claimant: Claimant) -> Claim:
    if claimant.accepted_g > claimant.asked_g:
        raise RuleInputError(
            "accepted_above_asked", f"claims.{claimant.request}", "more is accepted than was asked", f"at most {claimant.asked_g}"
        )
    return Claim(
        id=claimant.request,
        claim_g=claimant.accepted_g,
        carry_g=claimant.carry_in_g,
        minimum_g=claimant.minimum_g,
        priority_class=claimant.priority_class,
    )


def _line(claimant: Claimant, share: Share) -> Line:
    return Line(
        claimant=claimant,
        entitlement_g=share.entitlement_g,
        award_g=share.award_g,
        carry_out_g=share.carry_g,
        days_of_cover=Fraction(share.award_g, claimant.daily_consumption_g) if claimant.daily_consumption_g else None,
        iteration=share.iteration,
        turns=share.turns,
    )


def _retrace(decision: Decision, line: Line) -> Line:
    rule = find_rule(decision.terms.rule)
    tier = line.claimant.priority_class if rule.by_class else None
    sizes = [step.unit_g for step in decision.steps if (step.priority_class, step.iteration) == (tier, line.iteration)]
    if sizes != [units.unit_g for units in decision.terms.offered]:
        raise RuleInputError("steps_unfit", "steps", "the steps do not go through the sizes on offer", "a step for each, largest first")
    ranks = [turn.tie_rank for turn in line.turns]
    return _line(line.claimant, retrace(decision.terms.rule, _claim(line.claimant), decision.steps, line.iteration, ranks))


def _differences(where: str, stated: object, computed: object) -> Iterator[Difference]:
    match stated, computed:
        case dict(), dict():
            for key in sorted(stated.keys() | computed.keys()):
                yield from _differences(f"{where}/{key}".lstrip("/"), stated.get(key), computed.get(key))
        case list(), list():
            for place, (left, right) in enumerate(zip_longest(stated, computed)):
                yield from _differences(f"{where}/{place}", left, right)
        case _ if stated != computed:
            yield Difference(where, *(None if value is None else str(value) for value in (stated, computed)))


def _plain(document: msgspec.Struct) -> object:
    return msgspec.json.decode(canonical(document))


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
