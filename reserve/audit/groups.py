"""Groups of connected clients, as facilities were told of them, and who is a party to a loan: each named as limits name them."""

from collections.abc import Collection, Iterator
from datetime import datetime

from reserve.audit.approvers import AT_ONCE, instant
from reserve.audit.evidence import Recorded
from services.loans.events.facility import GroupSet
from services.loans.events.terms import LoanTerms

_ABOUT = {"borrower": "company", "project": "company", "partner": "partner"}


class Groups:
    def __init__(self) -> None:
        self._set: dict[tuple[str, str], list[tuple[datetime, frozenset[str]]]] = {}  # (facility, group) -> its members, from when on

    def see(self, record: Recorded, event: object) -> None:
        if isinstance(event, GroupSet):
            self._set.setdefault((event.facility, event.group), []).append((instant(record), frozenset(event.members)))

    def connected(self, facility: str, parties: Collection[str], at: datetime) -> frozenset[str]:
        """The others who were connected with any of these well before the instant, and had not ceased to be."""
        found: set[str] = set()
        for (where, _), told in self._set.items():
            before = [members for since, members in told if since + AT_ONCE < at]
            lately = [members for since, members in told if abs(since - at) <= AT_ONCE]
            members = frozenset.intersection(*before[-1:], *lately) if where == facility and before else frozenset[str]()
            if not members.isdisjoint(parties):
                found |= members
        return frozenset(found.difference(parties))


def parties_to(terms: LoanTerms) -> tuple[str, ...]:
    """Who owes a loan, what it is for, and who answers for it."""
    borrowers = (terms.borrower, *terms.joint_borrowers)
    return (*(f"borrower/{each}" for each in borrowers), f"project/{terms.project}", *(each.party for each in terms.guarantors))


def named(parties: Collection[str]) -> Iterator[tuple[str, str]]:
    """(about, name), as interests are declared in them."""
    for party in parties:
        kind, _, name = party.partition("/")
        if kind in _ABOUT:
            yield _ABOUT[kind], name
