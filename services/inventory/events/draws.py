"""What happens to a draw, to its delivery."""

from datetime import date
from typing import ClassVar, Literal

import msgspec

from services.inventory.events.ids import DrawId, LotId, Parcel, ReleaseId, SignedGrams, StockpileEvent
from shared.journal.record import Grams
from shared.journal.texts import TypedText
from shared.terms.dating import Dated
from shared.terms.papers import Paper


class GateEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Why a gate of dispatch counts as met."""

    gate: str  # "ledger_receipt"
    evidence: str  # what shows it, for instance "log 1842, root 9f86..., inventory/0/123"
    by: str  # who or what established it
    until: date | None = None  # the last day that it holds; None: for good


class DrawPaper(Paper, frozen=True, kw_only=True, tag="reserve.draw.v1"):
    """What a partner signs: a draw as it asks for it, in one request. `client` and `subject`: of the token that it is sent with; with
    `idempotency_key` they make the command's id, so that one signature is for one command."""

    purpose: ClassVar[str] = "draw"

    partner: str
    release: ReleaseId
    mass_g: Grams
    lots: tuple[LotId, ...]  # those that it names
    assign_rights: bool
    client: str
    subject: str
    idempotency_key: str


class SignedDraw(msgspec.Struct, frozen=True, kw_only=True):
    """A statement as approvers sign it, of the paper's SHA-256, in the name of its partner, for the log of this deployment."""

    key: str
    signature: str  # Ed25519, 128 hex digits
    paper: DrawPaper


class StockDrawn(StockpileEvent, frozen=True, kw_only=True, omit_defaults=True, tag="inventory.stock_drawn.v1"):
    """Released -> drawn. The goods are the partner's now, and still in their depots."""

    draw: DrawId
    release: ReleaseId
    partner: str
    parcels: tuple[Parcel, ...]
    mass_g: Grams
    remaining_g: Grams  # of the release
    signed: SignedDraw | None = None  # None: its partner had no keys, or not yet


class DrawWeighed(StockpileEvent, frozen=True, kw_only=True, omit_defaults=True, tag="inventory.draw_weighed.v1"):
    draw: DrawId
    partner: str
    parcels: tuple[Parcel, ...]
    mass_g: Grams
    weighed_g: Grams
    difference_g: SignedGrams  # weighed, less what the books held before: the nominal mass or an earlier weighing
    weighed_by: str | None = None  # None: by a build in which who had weighed goods could dispatch them alone
    together_g: SignedGrams | None = (
        None  # what the last draws of the product are out by, this one among them, if another person had to sign
    )
    scale: str | None = None  # None: none of the product's scales had a tolerance of its own


class DrawDispatched(StockpileEvent, frozen=True, kw_only=True, tag="inventory.draw_dispatched.v1"):
    """From the parcels' depots to the carrier."""

    draw: DrawId
    partner: str
    parcels: tuple[Parcel, ...]
    mass_g: Grams
    weighed_g: Grams
    carrier: str
    consignee: str
    gates: tuple[GateEvidence, ...]


class DispatchCorrected(StockpileEvent, frozen=True, kw_only=True, omit_defaults=True, tag="inventory.dispatch_corrected.v2"):
    """How the carrier is written, or the number of the seal or the waybill: by one person, with a reason. No grams, money, party, place or
    day: custody stays with the carrier as it was dispatched."""

    draw: DrawId
    partner: str
    carrier: str | None = None  # None: as it was
    reference: str | None = None  # "seal 4711"; None: as it was
    reason: TypedText
    corrected_by: str


class DrawReturned(StockpileEvent, frozen=True, kw_only=True, tag="inventory.draw_returned.v2"):
    """Drawn -> available, or quarantined for what came from lots that are so by now. Its release stays drawn."""

    draw: DrawId
    partner: str
    available: tuple[Parcel, ...]
    quarantined: tuple[Parcel, ...]
    mass_g: Grams
    difference_g: SignedGrams  # weighed less nominal, to be taken back; 0 if it was not weighed
    reason: TypedText


class AwardForwarded(StockpileEvent, frozen=True, kw_only=True, tag="inventory.award_forwarded.v1"):
    """With a weighing, a dispatch or a return: of which release the draw is, for whoever follows an award to its end."""

    draw: DrawId
    release: ReleaseId
    partner: str
    step: Literal["weighed", "dispatched", "returned"]
    mass_g: Grams  # nominal


class DrawDelivered(StockpileEvent, frozen=True, kw_only=True, omit_defaults=True, tag="inventory.draw_delivered.v2"):
    """From the carrier to the consignee, who has signed for it."""

    draw: DrawId
    release: ReleaseId
    partner: str
    mass_g: Grams
    weighed_g: Grams
    carrier: str
    consignee: str
    delivered_on: date
    received_by: TypedText  # the office that signed, never a person's name
    evidence: TypedText  # what shows it: "CMR 4711"
    dated_because: Dated | None = None  # why it is recorded on a later day
