"""Given events, when a command, then events: how the tests of a book are told. Antimony in 5 t units, in January 2026."""

from datetime import UTC, date, datetime
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.allocation.domain.book.approvals import ApproveRound
from services.allocation.domain.book.decider import DECIDER, OpenBook
from services.allocation.domain.book.emergency import RatifyRound
from services.allocation.domain.book.lapses import Surroundings, TermsRead
from services.allocation.domain.book.opening import OpenRound
from services.allocation.domain.book.requests import AcceptRequest, SubmitRequest
from services.allocation.domain.book.rounds import CertifyRound, CloseRound, ProposeRound, ReopenRound
from services.allocation.domain.book.state import ATTESTATION, RATIFICATION, proposal_of
from services.allocation.domain.decisions.eligibility import Right, Stock
from services.allocation.domain.decisions.proposal import Prepared, prepare
from services.allocation.domain.decisions.supply import asked_in, offer_from
from services.allocation.events import (
    AgreementId,
    DecisionHash,
    PartnerCode,
    ProductId,
    QuorumStep,
    ReleaseOrder,
    RequestId,
    RoundId,
    RoundMethod,
    SubjectId,
)
from services.allocation.events.authority import Power
from shared.terms.acting import Signing
from shared.terms.approval import SignedApproval, approve
from shared.terms.authority import Authority, Capacity, Chain, Kind
from tests.stories.given import Given

TONNE = 1_000_000
UNIT_G = 5 * TONNE
TODAY = date(2026, 1, 6)
NOW = datetime(2026, 1, 6, 9, 30, tzinfo=UTC)
NEEDED_BY = date(2026, 2, 28)
TOO_LATE = date(2026, 3, 1)
ANTIMONY = ProductId("antimony-metal")
JP, US, EU = PartnerCode("JP"), PartnerCode("US"), PartnerCode("EU")
ROUND = RoundId("rnd_1")
OPERATOR, APPROVER, ANOTHER = SubjectId("sub_operator"), SubjectId("sub_approver"), SubjectId("sub_another")
KEYS = {subject: Ed25519PrivateKey.from_private_bytes(subject.encode().ljust(32)) for subject in (OPERATOR, APPROVER, ANOTHER)}


def request_id(name: str) -> RequestId:
    return RequestId(f"req_{name}")


def authority(holder: SubjectId, **changes: Any) -> Chain:
    """A delegation to this holder, under the act that is the root of all."""
    statute = Authority(
        id="ins_act",
        version=1,
        kind=Kind.ACT,
        under=None,
        holder="minister",
        acts=frozenset(Power),
        valid_from=date(2025, 1, 1),
        valid_until=date(2030, 12, 31),
        may_sub_delegate=True,
    )
    told: dict[str, Any] = {"id": f"ins_{holder}", "kind": Kind.DELEGATION, "under": "ins_act", "holder": holder}
    return msgspec.structs.replace(statute, **(told | changes)), statute


def signing(signed: SignedApproval, **changes: Any) -> Signing:
    """By the approver's own key, who has every authority and no conflict. `changes`: also of the capacity that they act in."""
    capacity: dict[str, Any] = {"by": signed.approver, "on": TODAY, "held": (authority(SubjectId(signed.approver)),)}
    capacity |= {name: changes.pop(name) for name in Capacity.__struct_fields__ if name in changes}
    told: dict[str, Any] = {"approval": signed, "key": "enrolled", "signature_valid": True, "capacity": Capacity(**capacity)}
    return Signing(**(told | changes))


def submit(name: str = "jp", partner: PartnerCode = JP, units: int = 10, **changes: Any) -> SubmitRequest:
    told: dict[str, Any] = {
        "request": request_id(name),
        "partner": partner,
        "agreement": AgreementId(f"agr_{partner}"),
        "mass_g": units * UNIT_G,
        "minimum_g": 0,
        "daily_consumption_g": TONNE,
        "needed_by": NEEDED_BY,
        "nominee": "Sojitz",
        "consignee": "Toyo Logistics",
        "end_user": "Kyushu Smelting",
        "end_use": "flame retardants",
        "on": TODAY,
    }
    return SubmitRequest(**(told | changes))


def accept(name: str = "jp", units: int = 10, **changes: Any) -> AcceptRequest:
    told: dict[str, Any] = {"request": request_id(name), "accepted_g": units * UNIT_G, "reasons": ("as asked",), "on": TODAY}
    return AcceptRequest(**(told | changes))


def open_round(*names: str, round: RoundId = ROUND, **changes: Any) -> OpenRound:
    told: dict[str, Any] = {
        "round": round,
        "requests": tuple(request_id(name) for name in names),
        "disruption": None,
        "method": RoundMethod(rule=changes.pop("rule", "pro_rata")),
        "policy": "standing",
        "policy_version": 1,
        "quorum": (QuorumStep(above_g=0, approvals=changes.pop("approvals_needed", 1)),),
        "release_days": 30,
        "on": TODAY,
    }
    return OpenRound(**(told | changes))


def terms(partner: PartnerCode, quota_units: int = 1000, **changes: Any) -> TermsRead:
    told: dict[str, Any] = {
        "agreement": AgreementId(f"agr_{partner}"),
        "version": 1,
        "year_from": date(2026, 1, 1),
        "quota_g": quota_units * UNIT_G,
        "priority_class": 0,
    }
    return TermsRead(**(told | changes))


def surroundings(lots: int = 100, rights: int = 0, protected: int = 0, **changes: Any) -> Surroundings:
    """Stock in units."""
    told: dict[str, Any] = {
        "terms": {partner: terms(partner) for partner in (JP, US, EU)},
        "disruption_version": None,
        "lots_g": lots * UNIT_G,
        "rights_g": rights * UNIT_G,
        "protected_g": protected * UNIT_G,
    }
    return Surroundings(**(told | changes))


def stock_around(around: Surroundings, free_units: dict[int, int]) -> Stock:
    """Lots that nobody knows one by one, and a right that reaches everyone."""
    right = Right(right="rgt_1", mass_g=around.rights_g, window_from=None, window_to=date.max)
    return Stock(
        nominal_unit_g=UNIT_G,
        lots=[],
        rights=[right],
        stops=[],
        free_units=free_units,
        reserved_rights_g=0,
        protected_g=around.protected_g,
    )


class Story(Given):
    """A book, and what may be done next to its rounds."""

    def __init__(self, *happened: Any) -> None:
        self.orders: dict[str | None, ReleaseOrder] = {}  # those that were prepared, by their SHA-256
        super().__init__(DECIDER, *happened)

    def prepared(self, units: int, around: Surroundings | None = None, round: RoundId = ROUND) -> Prepared:
        around = around or surroundings()
        found = self.state.rounds[round]
        offered = offer_from(stock_around(around, {UNIT_G: around.lots_g // UNIT_G}), asked_in(self.state, found), units * UNIT_G, TODAY)
        salts = [f"{place:032x}" for place in range(len(found.requests) + 1)]
        return prepare(round, ANTIMONY, self.state, found, around, offered, salts)

    def propose(
        self, units: int = 10, around: Surroundings | None = None, round: RoundId = ROUND, by: SubjectId = OPERATOR, on: date = TODAY
    ) -> ProposeRound:
        around = around or surroundings()
        prepared = self.prepared(units, around, round)
        proposed = prepared.proposed
        self.orders[proposed.release_order] = msgspec.json.decode(prepared.release_order, type=ReleaseOrder)
        return ProposeRound(round=round, supply_g=units * UNIT_G, by=by, on=on, surroundings=around, proposed=proposed)

    def order(self, round: RoundId = ROUND) -> ReleaseOrder:
        return self.orders[proposal_of(self.state.rounds[round]).release_order]

    def decision(self, round: RoundId = ROUND) -> DecisionHash:
        return proposal_of(self.state.rounds[round]).decision

    def approve(self, by: SubjectId = APPROVER, round: RoundId = ROUND, **changes: Any) -> ApproveRound:
        signed = approve(self.decision(round), KEYS[by], approver=by)
        return ApproveRound(round=round, signing=signing(signed, **changes), companies={"Sojitz"})

    def ratify(
        self, by: SubjectId = ANOTHER, round: RoundId = ROUND, decision: str | None = None, purpose: str = RATIFICATION, **changes: Any
    ) -> RatifyRound:
        signed = approve(decision or self.decision(round), KEYS[by], approver=by, purpose=purpose)
        return RatifyRound(round=round, signing=signing(signed, **changes), companies={"Sojitz"})

    def certify(self, around: Surroundings | None = None, round: RoundId = ROUND, **changes: Any) -> CertifyRound:
        proposal = self.state.rounds[round].proposal if round in self.state.rounds else None
        decision = "0" * 64 if proposal is None else proposal.decision
        told: dict[str, Any] = {
            "round": round,
            "surroundings": around or surroundings(),
            "order": None if proposal is None else self.orders.get(proposal.release_order),
            "revoked": (),
            "authorities": {chain[0].id: chain for chain in map(authority, KEYS)},
            "on": TODAY,
            "at": NOW,
            "attestation": signing(approve(decision, KEYS[OPERATOR], approver=OPERATOR, purpose=ATTESTATION)),
        }
        return CertifyRound(**(told | changes))

    def close(self, round: RoundId = ROUND) -> CloseRound:
        return CloseRound(round=round, decision=self.decision(round))

    def reopen(self, round: RoundId = ROUND) -> ReopenRound:
        return ReopenRound(round=round, decision=self.decision(round), reason="stock_short")


def a_book(*happened: Any) -> Story:
    """The book of antimony is open, then all this happened."""
    return Story(OpenBook(product=ANTIMONY), *happened)


def a_round(*units: int, **changes: Any) -> Story:
    """A round is open over accepted requests of JP, US and EU for so many units each."""
    names = [("jp", JP), ("us", US), ("eu", EU)][: len(units)]
    story = a_book()
    for (name, partner), count in zip(names, units, strict=True):
        story = story.given(submit(name, partner, count), accept(name, count))
    return story.given(open_round(*(name for name, _ in names), **changes))


def a_proposal(*units: int, supply: int = 10, **changes: Any) -> Story:
    """A round over such requests is proposed, with a supply of so many units."""
    story = a_round(*units, **changes)
    return story.given(story.propose(supply))


def a_certified_round(*units: int, supply: int = 10) -> Story:
    story = a_proposal(*units, supply=supply)
    story = story.given(story.approve())
    return story.given(story.certify())
