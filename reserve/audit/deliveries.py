"""Deliveries: what repaid a loan in kind was valued by an agreement that stood, and comes to what is said, by arithmetic of its own."""

from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from typing import Any

from reserve.audit.report import Check, Findings
from services.loans.events.loan import DeliveryCredited
from services.loans.events.offtake import DeliveryValued, OfftakeAgreed, OfftakeEnded

type _Worth = tuple[str, str, str, int]  # loan, right, lot and amount


class Deliveries:
    """A loan and the agreements stand in streams of their own, so a credit and its valuation are compared once all is seen."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._agreed: dict[str, OfftakeAgreed] = {}
        self._until: dict[str, date] = {}
        self._valued: dict[str, _Worth] = {}  # by payment
        self._credited: dict[str, tuple[str, _Worth]] = {}  # payment -> (place, what)

    def see(self, place: str, event: Any) -> None:
        match event:
            case OfftakeAgreed():
                self._agreed[event.offtake], self._until[event.offtake] = event, event.until
            case OfftakeEnded():
                self._until[event.offtake] = event.on
            case DeliveryValued():
                faults = list(self._value(event))
                self._findings.look(Check.MONEY, not faults, place, "; ".join(faults))
            case DeliveryCredited():
                self._credited[event.payment] = place, (event.loan, event.right, event.lot, event.amount_minor)
            case _:
                pass

    def _value(self, event: DeliveryValued) -> Iterator[str]:
        if event.payment in self._valued:
            yield f"{event.lot} was valued before"
        self._valued[event.payment] = event.loan, event.right, event.lot, event.amount_minor
        agreed = self._agreed.get(event.offtake)
        if agreed is None:
            yield f"{event.offtake} was never agreed"
            return
        said = (event.right, event.loan, event.currency, event.price, event.share)
        if said != (agreed.right, agreed.loan, agreed.currency, agreed.price, agreed.share):
            yield f"it is not as {event.offtake} was agreed"
        if not agreed.since <= event.received_on <= self._until[event.offtake]:
            yield f"{event.offtake} did not stand on {event.received_on}"
        worth = event.mass_g * Fraction(event.content) * Fraction(agreed.price) * Fraction(agreed.share)
        if round(worth) != event.amount_minor:  # a Fraction rounds to the even one of two that are as near
            yield f"it is worth {round(worth)}, and {event.amount_minor} is said"

    @property
    def unsettled(self) -> bool:
        """Whether something is credited whose valuation was not seen: it may stand in a shard that the ledger was slower to take."""
        return not self._credited.keys() <= self._valued.keys()

    def finish(self) -> None:
        for payment, (place, credited) in self._credited.items():
            valued = self._valued.get(payment)
            self._findings.look(Check.MONEY, valued == credited, place, f"{payment} is {credited}, and what was valued is {valued}")
