"""What an event posts, by the ledger and by the audit, which share no code."""

from collections.abc import Iterable
from typing import Any

from reserve.audit.postings import posted_by
from services.ledger.postings import postings

type Sums = dict[tuple[str, str, str, str], int]  # side, asset, account, status -> amount, none zero


def both_say_the_same(event: Any) -> Sums:
    ledger, audit = in_all(postings(event)), in_all(posted_by(event))
    assert ledger == audit
    return audit


def in_all(lines: Iterable[Any]) -> Sums:
    sums: Sums = {}
    for line in lines:
        key = (str(line.side), line.asset, line.account, str(line.status))
        sums[key] = sums.get(key, 0) + line.amount
    return {key: amount for key, amount in sums.items() if amount}
