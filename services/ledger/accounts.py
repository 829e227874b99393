"""Accounts: where an asset stands. Double entry on two sides: whose it is (title), and who has it (custody).

An asset is a product ("antimony-metal") or what is contained of an element ("contained/Sb"), in grams, or a currency ("AUD"), in its minor
units.

Names are paths. Title: `reserve/available`, `reserve/quarantined`, `right/{right}`, `partner/{code}` (goods), `partner/{code}/rights`
(claims), `partner/{code}/release/{release}` (what a release has pending). Custody: `depot/{name}`, `carrier/{name}`, `holder/{name}`.
Money has a title only: `facility/{facility}/committed` and `loan/{loan}/commitment` (pending), `facility/cash`, `facility/goods` (taken
instead of cash), and `loan/{loan}/...`: what its borrower owes, in parts, and what it earned or lost; `holding/{holding}/...` likewise.
Debits are above zero. What a material loan owes is in contained grams: `partner/{code}/loan/{loan}/...`, against `lending/{loan}/...`.
Both: `outside`, `suspense/{draw}` (what a draw lacks, until it is signed for), `difference/weighing`, `difference/stock_take`, `loss`,
`sample`.
"""

from collections.abc import Iterable, MutableMapping
from enum import StrEnum

import msgspec

AVAILABLE = "reserve/available"
RESERVED_RIGHTS = "reserve/rights"  # only ever pending: which right it is, is settled when it is assigned
OUTSIDE = "outside"
WEIGHING = "difference/weighing"
CAUSES = {"stock_take": "difference/stock_take", "loss": "loss", "sample": "sample"}  # of an adjustment -> its account
SETTLED_AS = {  # of what was in suspense -> its account
    "loss": "loss",
    "found": "difference/stock_take",
    "measurement": WEIGHING,
    "weighed_again": WEIGHING,
    "returned": WEIGHING,
}

CASH = "facility/cash"
GOODS = "facility/goods"

# Where an asset comes from, or goes for good.
_BELOW_ZERO = (OUTSIDE, "project/", "difference/", "loss", "sample", RESERVED_RIGHTS, "facility/", "lending/")
_CREDITS = ("/credit", "_income", "/provision", "/excess", "/returning")  # of a loan or holding, or owed to a partner


class Side(StrEnum):
    TITLE = "title"
    CUSTODY = "custody"


class Status(StrEnum):
    """What a posting does to its account: to what is posted, or to what is pending."""

    PENDING = "pending"  # promised
    SETTLED = "settled"  # pending no longer, since it was posted
    VOIDED = "voided"  # pending no longer, since it never will be
    POSTED = "posted"


def unit_of(asset: str) -> str:
    """ "g", or "minor" of a currency: three capitals (ISO 4217), which no product's name has."""
    return "minor" if asset.isalpha() and asset.isupper() else "g"


class Posting(msgspec.Struct, frozen=True, gc=False):
    """`amount` comes into the account, or leaves it if below zero. It is in the asset's unit."""

    side: Side
    asset: str
    account: str
    amount: int
    status: Status


class Key(msgspec.Struct, frozen=True, gc=False):
    """Which balance."""

    side: Side
    asset: str
    account: str

    @property
    def id(self) -> str:
        return f"{self.side}/{self.asset}/{self.account}"

    @property
    def partner(self) -> str | None:
        """Whose account it is, if a partner's."""
        kind, _, rest = self.account.partition("/")
        return rest.partition("/")[0] if kind == "partner" else None


class Balance(msgspec.Struct, frozen=True, gc=False):
    posted: int = 0
    pending: int = 0  # promised to the account or, below zero, out of it

    @property
    def free(self) -> int:
        """What is there and not promised away."""
        return self.posted + min(0, self.pending)


class Overdraft(msgspec.Struct, frozen=True, gc=False):
    """An account that a posting brought below zero, and how it stood after it."""

    key: Key
    balance: Balance


def may_go_below_zero(account: str) -> bool:
    return account.startswith(_BELOW_ZERO) or (account.startswith(("loan/", "holding/", "partner/")) and account.endswith(_CREDITS))


def post(books: MutableMapping[Key, Balance], postings: Iterable[Posting]) -> list[Overdraft]:
    """Posts one event's postings into `books`. Gives the accounts that they overdraw, or overdraw further."""
    lowered: set[Key] = set()
    for posting in postings:
        key = Key(posting.side, posting.asset, posting.account)
        before = books.get(key, Balance())
        if posting.status is Status.POSTED:
            after = Balance(before.posted + posting.amount, before.pending)
        else:
            after = Balance(before.posted, before.pending + posting.amount)
        books[key] = after
        if posting.amount < 0:
            lowered.add(key)
    # Looked at once the event is whole: a draw settles what was pending in one posting and takes it out in the next.
    lowered_in_order = sorted(lowered, key=lambda key: key.id)
    return [Overdraft(key, books[key]) for key in lowered_in_order if books[key].free < 0 and not may_go_below_zero(key.account)]
