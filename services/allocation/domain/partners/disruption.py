"""Disruption: a loss of supply, and what is known of it."""

from datetime import date
from typing import assert_never

import immutables
import msgspec
from msgspec.structs import replace

from services.allocation.events import (
    AuthorityCited,
    DisruptionDeclared,
    DisruptionEnded,
    DisruptionEvent,
    DisruptionId,
    DisruptionRevised,
    PartnerCode,
    ProductId,
)
from shared.journal.decider import Decider, Reasons, Refused
from shared.journal.texts import TypedText
from shared.terms.countersigning import ProposedCommand


class DeclareDisruption(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    disruption: DisruptionId
    instrument: str
    products: tuple[ProductId, ...]
    declared_scope: TypedText
    observed_scope: TypedText
    partners: tuple[PartnerCode, ...]
    starts_on: date
    evidence: tuple[TypedText, ...]


class ReviseDisruption(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What is known now, in full; the instrument and the products stay."""

    declared_scope: TypedText
    observed_scope: TypedText
    partners: tuple[PartnerCode, ...]
    starts_on: date
    evidence: tuple[TypedText, ...]
    reason: TypedText


class EndDisruption(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    ends_on: date
    reason: TypedText


type Command = DeclareDisruption | ReviseDisruption | EndDisruption


class Reason(Reasons):
    """Why a disruption stays as it is."""

    ALREADY_DECLARED = "disruption_already_declared", 409, "The disruption is declared already"
    NOT_FOUND = "disruption_not_found", 404, "There is no such disruption"
    ENDED = "disruption_ended", 409, "The disruption has ended"
    NO_PRODUCTS = "disruption_without_products", 422, "A disruption must name at least one product"
    NAMED_TWICE = "disruption_names_twice", 422, "The disruption names something twice"
    NO_EVIDENCE = "disruption_without_evidence", 422, "A disruption needs evidence"
    DATES_REVERSED = "disruption_dates_reversed", 422, "The disruption's start is after its end"


class Disruption(msgspec.Struct, frozen=True, kw_only=True):
    id: DisruptionId | None = None  # None: not declared yet
    products: tuple[ProductId, ...] = ()
    partners: tuple[PartnerCode, ...] = ()
    starts_on: date = date.min
    ended: bool = False
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # that wait for another person's signature


def decide(command: Command, disruption: Disruption) -> list[DisruptionEvent] | Refused[Reason]:
    match command:
        case DeclareDisruption():
            return _declare(command, disruption)
        case ReviseDisruption():
            if isinstance(id := _under_way(disruption), Refused):
                return id
            if fault := _fault(command.partners, command.evidence):
                return fault
            return [
                DisruptionRevised(
                    disruption=id,
                    products=disruption.products,
                    declared_scope=command.declared_scope,
                    observed_scope=command.observed_scope,
                    partners=command.partners,
                    starts_on=command.starts_on,
                    evidence=command.evidence,
                    reason=command.reason,
                )
            ]
        case EndDisruption():
            if isinstance(id := _under_way(disruption), Refused):
                return id
            if command.ends_on < disruption.starts_on:
                return Refused(
                    Reason.DATES_REVERSED, "it would end before it starts", field="/ends_on", accepted=f"{disruption.starts_on} or later"
                )
            return [DisruptionEnded(disruption=id, products=disruption.products, ends_on=command.ends_on, reason=command.reason)]
        case _:
            assert_never(command)


def evolve(disruption: Disruption, event: DisruptionEvent | AuthorityCited) -> Disruption:
    match event:
        case DisruptionDeclared():
            told = {"products": event.products, "partners": event.partners, "starts_on": event.starts_on}
            return replace(disruption, id=event.disruption, **told)
        case DisruptionRevised():
            return replace(disruption, partners=event.partners, starts_on=event.starts_on)
        case DisruptionEnded():
            return replace(disruption, ended=True)
        case AuthorityCited():
            return disruption
        case _:
            assert_never(event)


def _declare(command: DeclareDisruption, disruption: Disruption) -> list[DisruptionEvent] | Refused[Reason]:
    if disruption.id is not None:
        return Refused(Reason.ALREADY_DECLARED, f"{disruption.id} is declared already")
    if not command.products:
        return Refused(Reason.NO_PRODUCTS, "no product is named", field="/products", accepted="at least one product")
    if len(set(command.products)) < len(command.products):
        return Refused(Reason.NAMED_TWICE, "a product is named twice", field="/products", accepted="each product once")
    if fault := _fault(command.partners, command.evidence):
        return fault
    return [
        DisruptionDeclared(
            disruption=command.disruption,
            instrument=command.instrument,
            products=command.products,
            declared_scope=command.declared_scope,
            observed_scope=command.observed_scope,
            partners=command.partners,
            starts_on=command.starts_on,
            evidence=command.evidence,
        )
    ]


def _under_way(disruption: Disruption) -> DisruptionId | Refused[Reason]:
    if disruption.id is None:
        return Refused(Reason.NOT_FOUND, "there is no such disruption")
    if disruption.ended:
        return Refused(Reason.ENDED, f"{disruption.id} has ended")
    return disruption.id


def _fault(partners: tuple[PartnerCode, ...], evidence: tuple[str, ...]) -> Refused[Reason] | None:
    if len(set(partners)) < len(partners):
        return Refused(Reason.NAMED_TWICE, "a partner is named twice", field="/partners", accepted="each partner once")
    if not evidence:
        return Refused(Reason.NO_EVIDENCE, "no evidence is given", field="/evidence", accepted="at least one reference")
    return None


DECIDER = Decider(kind="disruption", initial=Disruption(), commands=Command, decide=decide, evolve=evolve)
