"""Readiness: what of an agreement's product is cleared before it is needed, so that first grams move in days."""

from datetime import date
from typing import Literal, NewType

import msgspec

from services.allocation.events.ids import AgreementId, PartnerCode, ProductId, SubjectId
from shared.journal.texts import TypedText

ItemId = NewType("ItemId", str)  # "rdy_01j..."

type ItemKind = Literal["nominee", "consignee", "permit", "security", "specification", "route", "carrier"]


class _ItemEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    agreement: AgreementId
    product: ProductId
    partner: PartnerCode
    item: ItemId
    kind: ItemKind
    name: str  # who or what is cleared: a company, a permit's number, "Fremantle-Kobe"


class ReadinessCleared(_ItemEvent, frozen=True, kw_only=True, tag="allocation.readiness_cleared.v2"):
    evidence: TypedText  # what shows it
    by: SubjectId
    until: date | None  # the last day that it holds; None: for good
    warn_on: date | None  # from when it is a task to renew it


class ReadinessRenewed(_ItemEvent, frozen=True, kw_only=True, tag="allocation.readiness_renewed.v2"):
    evidence: TypedText
    by: SubjectId
    until: date | None
    warn_on: date | None


class ReadinessWithdrawn(_ItemEvent, frozen=True, kw_only=True, tag="allocation.readiness_withdrawn.v2"):
    reason: TypedText


class ReadinessExpiring(_ItemEvent, frozen=True, kw_only=True, tag="allocation.readiness_expiring.v1"):
    """A task: it is to be renewed by its last day."""

    until: date


class ReadinessExpired(_ItemEvent, frozen=True, kw_only=True, tag="allocation.readiness_expired.v1"):
    until: date


ReadinessEvent = ReadinessCleared | ReadinessRenewed | ReadinessWithdrawn | ReadinessExpiring | ReadinessExpired
