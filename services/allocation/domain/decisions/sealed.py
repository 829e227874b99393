"""Sealed decision: what is published of one, and what a partner's file opens of it, since the third form.

A rational tells what it was made of: whoever is entitled to 80/21 of 8 units knows that 10 were shared among claims of 21, or 20 among 42.
So nothing that comes from the claims of others is opened to a partner: neither what is offered or left, nor the rule's working, nor its own
entitlement and carry, nor how many lines there are. All of that is under the one hash that everyone has and approvers sign, in commitments
SHA-256(salt || canonical content) that an auditor's file opens:

- `working`: one for all, so that there is one parameter for all.
- a line for each claimant, and blank ones up to a multiple of `BLANKS`. A line holds what its partner may know, and a
  commitment to the rest.

The file with everything (`DecisionFile`) keeps one salt a line and one for the holdings. Every other salt is derived from those one way, so
whoever is given a derived one learns no other.
"""

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from services.allocation.domain.decisions.decision import (
    FORMAT,
    Decision,
    DecisionFile,
    DecisionLine,
    DecisionTerms,
    LineTake,
    Opened,
    PublishedPool,
    Sha256,
    canonical_document,
    commitment,
    decoder_of,
    read_document,
    read_file,
)
from services.allocation.domain.decisions.holdings import Document, Holdings, Units
from services.allocation.domain.rules import Group, IepFigures, Method, Step, Turn
from shared.journal.record import Grams

BLANKS = 16  # a decision has a multiple of so many commitments


class SealedTerms(Document, frozen=True, kw_only=True):
    """What everyone in the round may know: its policy says all of this, and what it is about."""

    format: Literal["reserve.decision.v3"] = FORMAT
    round: str
    product: str
    rule: str
    inside: dict[str, str]
    cap: Fraction | None
    restraint: Fraction | None
    policy: str
    policy_version: int
    disruption: str | None

    @property
    def method(self) -> Method:
        return Method(self.rule, self.inside)


class SealedDecision(Document, frozen=True, kw_only=True):
    """What has the decision's name, and is signed."""

    terms: SealedTerms
    working: Sha256  # of `Working`
    holdings: Sha256
    lines: tuple[Sha256, ...]  # of `OwnLine`s and of blanks, in the order of their digits


class Working(Document, frozen=True, kw_only=True):
    """What everybody's figures went into."""

    offered: tuple[Units, ...]
    pools: tuple[PublishedPool, ...]
    group: Group | None
    steps: tuple[Step, ...]
    left_g: Grams


class OwnClaimant(Document, frozen=True, kw_only=True):
    """A `Claimant`, without what comes from earlier rounds."""

    request: str
    partner: str
    agreement: str | None
    agreement_version: int | None
    asked_g: Grams
    accepted_g: Grams
    minimum_g: Grams
    priority_class: Annotated[int, msgspec.Meta(ge=0)]
    daily_consumption_g: Grams | None
    cap_g: Grams | None
    pools: tuple[str, ...]
    position: IepFigures | None
    part_of_right: Fraction


class OwnLine(Document, frozen=True, kw_only=True):
    """What a partner may know of its line. `working`: commitment to the `OwnWorking`."""

    claimant: OwnClaimant
    award_g: Grams
    takes: tuple[LineTake, ...]
    days_of_cover: Fraction | None
    working: Sha256


class OwnWorking(Document, frozen=True, kw_only=True):
    """What of a line tells of others."""

    carry_in_g: Fraction
    right_g: Fraction | None
    entitlement_g: Fraction
    carry_out_g: Fraction
    iteration: Annotated[int, msgspec.Meta(ge=0)]
    turns: tuple[Turn, ...]


class OwnFile(Document, frozen=True, kw_only=True):
    """What is published, with a reader's own lines."""

    decision: SealedDecision
    lines: tuple[Opened[OwnLine], ...]


type View = DecisionFile | OwnFile  # what a reader has of a decision


def publish(file: DecisionFile) -> Decision | SealedDecision:
    """What is published of a decision, of whatever form."""
    decision, terms = file.decision, file.decision.terms
    if terms.format != FORMAT:
        return decision
    assert file.holdings is not None, "only a file of everything is published"
    return SealedDecision(
        terms=_published_terms(terms),
        working=commitment(Opened(salt=_derived(file.holdings.salt, "working"), content=working_of(decision))),
        holdings=decision.holdings,
        lines=decision.lines,
    )


def decision_hash(view: View) -> str:
    """The name of a decision: the SHA-256 (hex) of its published part's canonical bytes; all files of a round have the same."""
    return hashlib.sha256(canonical_document(view.decision if isinstance(view, OwnFile) else publish(view))).hexdigest()


def read_view(data: bytes) -> View:
    """Any spelling of a decision file, a whole one or a partner's. Raises `UnreadableDecision`."""
    return read_document(data, _OWN_FILE) if read_document(data, _PEEK).is_sealed else read_file(data)


def own_line(line: Opened[DecisionLine]) -> Opened[OwnLine]:
    told, claimant = line.content, line.content.claimant
    own = OwnWorking(
        carry_in_g=claimant.carry_in_g,
        right_g=None if told.right_g is UNSET else told.right_g,
        entitlement_g=told.entitlement_g,
        carry_out_g=told.carry_out_g,
        iteration=told.iteration,
        turns=told.turns,
    )
    return Opened(
        salt=_derived(line.salt, "line"),
        content=OwnLine(
            claimant=OwnClaimant(**{name: getattr(claimant, name) for name in OwnClaimant.__struct_fields__}),
            award_g=told.award_g,
            takes=told.takes or (),
            days_of_cover=told.days_of_cover,
            working=commitment(Opened(salt=_derived(line.salt, "working"), content=own)),
        ),
    )


def committed_lines(holdings: Opened[Holdings], lines: Sequence[Opened[DecisionLine]]) -> tuple[Sha256, ...]:
    """Of all lines, and blank ones: nobody sees how many there are."""
    blanks = -len(lines) % BLANKS if lines else BLANKS
    return tuple(sorted([*(commitment(own_line(line)) for line in lines), *(_blank(holdings.salt, place) for place in range(blanks))]))


def working_of(decision: Decision) -> Working:
    return Working(
        offered=decision.terms.offered,
        pools=decision.terms.pools or (),
        group=decision.group or None,
        steps=decision.steps,
        left_g=decision.left_g,
    )


def _published_terms(terms: DecisionTerms) -> SealedTerms:
    told = {name: getattr(terms, name) for name in SealedTerms.__struct_fields__ if name not in ("inside", "cap", "restraint")}
    return SealedTerms(inside=terms.inside or {}, cap=terms.cap or None, restraint=terms.restraint or None, **told)


def _derived(salt: str, name: str) -> str:
    """One way: it does not tell the salt that it is from."""
    return hashlib.sha256(bytes.fromhex(salt) + name.encode()).hexdigest()[:32]


def _blank(salt: str, place: int) -> Sha256:
    return hashlib.sha256(bytes.fromhex(salt) + b"blank %d" % place).hexdigest()


class _PeekedTerms(msgspec.Struct, frozen=True):
    format: object = None


class _PeekedDecision(msgspec.Struct, frozen=True):
    terms: _PeekedTerms = _PeekedTerms()


class _Peek(msgspec.Struct, frozen=True):
    decision: _PeekedDecision
    holdings: msgspec.Raw | UnsetType = UNSET

    @property
    def is_sealed(self) -> bool:
        return self.decision.terms.format == FORMAT and self.holdings is UNSET


_PEEK = msgspec.json.Decoder(_Peek)
_OWN_FILE = decoder_of(OwnFile)
