"""A tender's decision: what it says in two places agrees, and what it says in one place alone is named."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from services.allocation.domain.tenders.contradictions import contradictions_of_tender, tender_not_compared
from services.allocation.domain.tenders.decision import TenderFile, UnreadableTender, compose, read_tender_file, recompute_tender
from shared.journal.record import canonical
from tests.stories.audit_tenders import TERMS, cleared
from tests.stories.composed import at, leaves

FILE = read_tender_file(cleared("JP", "US").documents[1])


def cleared_again(file: TenderFile) -> TenderFile:
    """By who controls the reserve: all that follows is worked out anew."""
    revealed = [msgspec.structs.replace(line, content=line.content.revealed) for line in file.lines]
    return compose(file.decision.tender, file.decision.terms, revealed)  # type: ignore[arg-type]


def forgeries(path: tuple[Any, ...]) -> Iterator[TenderFile]:
    plain = json.loads(canonical(FILE))
    value = at(plain, path)
    for other in (value + 1, value - 1, 0) if isinstance(value, int) else (None, f"{value}x", f"1{value}", "", "JP", "bid_JP"):
        changed = deepcopy(plain)
        at(changed, path[:-1])[path[-1]] = other
        try:
            file = read_tender_file(json.dumps(changed).encode())
            if other != value:
                yield file
                if at(json.loads(canonical(again := cleared_again(file))), path) == other:
                    yield again
        except (UnreadableTender, ValueError, ZeroDivisionError):
            continue


def test_a_tenders_decision_that_the_reserve_made_contradicts_itself_in_nothing() -> None:
    assert contradictions_of_tender(FILE) == []


def test_no_value_of_a_tenders_decision_is_changed_in_silence() -> None:
    named = {each.where for each in tender_not_compared(FILE)}
    silent = []
    for path in leaves(json.loads(canonical(FILE))):
        rest = ["*" if isinstance(key, int) else key for key in path if key not in ("content", "decision")]
        if any("/".join(map(str, rest[: len(rest) - cut])) in named for cut in range(len(rest))):
            continue
        silent += [path for forgery in forgeries(path) if not contradictions_of_tender(forgery) and not recompute_tender(forgery)]
    assert silent == []
    assert not [each for each in named if each.startswith(("lines/*/units", "left_units", "cut_off"))]


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("times_unfit", {"commit_until": TERMS.reveal_until}),
        ("tender_cap_invalid", {"cap_units": 3}),
        ("tender_units_invalid", {"units": 0}),
    ],
)
def test_terms_that_no_tender_is_opened_with_are_told_by_a_code(code: str, change: dict[str, Any]) -> None:
    terms = msgspec.structs.replace(FILE.decision.terms, **change)
    forged = msgspec.structs.replace(FILE, decision=msgspec.structs.replace(FILE.decision, terms=terms))
    assert code in {found.code for found in contradictions_of_tender(forged)}


def test_two_bids_of_one_partner_and_a_bid_that_nobody_could_reveal_are_told() -> None:
    first, second = FILE.lines
    revealed = msgspec.structs.replace(second.content.revealed, partner=first.content.revealed.partner, steps=())
    line = msgspec.structs.replace(second, content=msgspec.structs.replace(second.content, revealed=revealed))
    forged = cleared_again(msgspec.structs.replace(FILE, lines=(first, line)))
    assert recompute_tender(forged) == []
    assert {found.code for found in contradictions_of_tender(forged)} == {"partner_bids_twice", "steps_unfit"}
