"""Books: what events post, summed here and compared with what the ledger says. Of an entry counts what each account gets by it in all."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from reserve.audit.evidence import BalanceLine, LedgerEntry, PostedLine
from reserve.audit.postings import posted_by
from reserve.audit.report import Check, Findings

type Account = tuple[str, str, str]  # side, asset, account
type Amounts = tuple[int, int]  # posted, pending

_ZERO: Amounts = (0, 0)
_HOLDS_SOMETHING = (
    "reserve/available",
    "reserve/quarantined",
    "right/",
    "partner/",
    "depot/",
    "suspense/",
    "carrier/",
    "holder/",
    "loan/",
    "holding/",
)
_IS_OWED_OR_EARNED = ("/credit", "/excess", "_income", "/provision")  # to somebody, or set aside: zero or less


class Books:
    """The accounts as the audited events leave them."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._accounts: dict[Account, Amounts] = {}

    def post(self, place: str, event: Any, entry: LedgerEntry | None) -> None:
        """`entry`: what the ledger says of the event; None if it has none, which is another check's failure."""
        look = self._findings.look
        expected = posted_by(event)
        if entry is not None:
            same = _in_all(entry.postings) == _in_all(expected)
            look(Check.POSTINGS, same, place, lambda: f"posted {_shown(entry.postings)}, not {_shown(expected)}")
        if not expected:
            return
        look(Check.SUMS, not any(_unbalanced(expected)), place, lambda: f"does not sum to zero: {_shown(expected)}")
        for account in _apply(self._accounts, expected):
            if account[2].startswith(_HOLDS_SOMETHING) and not account[2].endswith(_IS_OWED_OR_EARNED):
                posted = self._accounts[account][0]
                look(Check.OVERDRAFTS, posted >= 0, place, f"leaves {posted} in {'/'.join(account)}")

    def compare(self, stated: Iterable[BalanceLine], later: Sequence[LedgerEntry]) -> None:
        """`later`: entries after the cut, as far as balances may have been read with them. Each balance is then as one of them left it."""
        look = self._findings.look
        moving = dict(self._accounts)
        allowed: dict[Account, set[Amounts]] = {}
        for entry in later:
            for account in _apply(moving, entry.postings):
                allowed.setdefault(account, {self._accounts.get(account, _ZERO)}).add(moving[account])
        told = {(line.side, line.asset, line.account): (line.posted, line.pending) for line in stated}
        for account in sorted(told.keys() | self._accounts.keys()):
            own = self._accounts.get(account, _ZERO)
            theirs = told.get(account, _ZERO)
            fine = theirs in allowed.get(account, {own})
            look(Check.BALANCES, fine, "/".join(account), f"is {_amounts(theirs)}, and the events sum to {_amounts(own)}")
        for (side, asset), (posted, pending) in sorted(self._totals().items()):
            look(Check.SUMS, posted == pending == 0, f"{side}/{asset}", f"all accounts sum to {_amounts((posted, pending))}")

    def _totals(self) -> dict[tuple[str, str], Amounts]:
        totals: dict[tuple[str, str], Amounts] = {}
        for (side, asset, _), (posted, pending) in self._accounts.items():
            before = totals.get((side, asset), _ZERO)
            totals[side, asset] = (before[0] + posted, before[1] + pending)
        return totals


def _apply(accounts: dict[Account, Amounts], lines: Iterable[PostedLine]) -> set[Account]:
    """The accounts that the lines touch."""
    touched = set()
    for line in lines:
        account = (line.side, line.asset, line.account)
        posted, pending = accounts.get(account, _ZERO)
        is_posted = line.status == "posted"
        accounts[account] = (posted + line.amount, pending) if is_posted else (posted, pending + line.amount)
        touched.add(account)
    return touched


def _in_all(lines: Iterable[PostedLine]) -> dict[tuple[str, str, str, str], int]:
    sums: dict[tuple[str, str, str, str], int] = {}
    for line in lines:
        key = (line.side, line.asset, line.account, line.status)
        sums[key] = sums.get(key, 0) + line.amount
    return {key: amount for key, amount in sums.items() if amount}


def _unbalanced(lines: Iterable[PostedLine]) -> Iterator[int]:
    sums: dict[tuple[str, str, str], int] = {}
    for line in lines:
        key = (line.side, line.asset, line.status)
        sums[key] = sums.get(key, 0) + line.amount
    yield from sums.values()


def _shown(lines: Iterable[PostedLine]) -> str:
    return ", ".join(f"{line.amount:+} {line.status} in {line.side}/{line.asset}/{line.account}" for line in lines) or "nothing"


def _amounts(amounts: Amounts) -> str:
    return f"{amounts[0]} posted, {amounts[1]} pending"
