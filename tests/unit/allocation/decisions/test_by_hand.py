"""docs/certificates.md, "By hand": its example is true, and its Python gives the award of any line, and it lists every code."""

import re
from fractions import Fraction
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reserve.operate.migrate import ROOT
from services.allocation.domain.decisions.decision import DecisionFile
from services.allocation.domain.rules import RULES
from tests.stories.composed import claimant, decide, terms

PAGE = (ROOT / "docs" / "certificates.md").read_text()
TONNE = 1_000_000


@cache
def by_hand() -> dict[str, Any]:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found: dict[str, Any] = {}
    exec(code, found)  # noqa: S102  # our own page
    return found


def number(text: str) -> Fraction:
    found = re.search(r"-?\d+(/\d+)?", text)
    assert found is not None, text
    return Fraction(found[0])


def assert_by_hand(file: DecisionFile) -> None:
    """Of a decision with one unit size, so that a line's entitlement is that of its step."""
    for line in (opened.content for opened in file.lines):
        for step, turn in zip(file.decision.steps, line.turns, strict=True):
            whole = line.claimant.accepted_g - line.claimant.accepted_g % step.unit_g
            told = msgspec.structs.asdict(step)
            assert by_hand()["units"](told, line.entitlement_g, line.claimant.carry_in_g, 0, whole, turn.tie_rank) == turn.units


def test_the_example_is_what_the_rule_gives() -> None:
    rows = [[cell.strip() for cell in row.strip("| ").split("|")] for row in PAGE.splitlines() if re.match(r"\| \d+ t \|", row)]
    assert len(rows) == 3
    claims = [int(number(row[0])) * TONNE for row in rows]
    file = decide(terms(g5000000=20), *(claimant(f"req_{place}", "JP", claim_g) for place, claim_g in enumerate(claims)))
    [step] = file.decision.steps
    assert (str(step.parameter), str(step.cutoff), step.ties_won) == ("20/37", "30/37", 1)
    assert "`parameter` 20/37, `cutoff` 30/37, `ties_won` 1" in PAGE
    for row, line in zip(rows, (opened.content for opened in file.lines), strict=True):
        lacks = line.entitlement_g / step.unit_g
        assert [number(row[at]) * TONNE for at in (1, 5, 6)] == [line.entitlement_g, line.award_g, line.carry_out_g]
        assert (number(row[2]), number(row[3])) == (lacks, lacks - step.cutoff)
        assert row[4] == ("-" if line.turns[0].tie_rank is None else str(line.turns[0].tie_rank))
    assert_by_hand(file)


@pytest.mark.parametrize("rule", sorted(RULES.keys() - {"iep", "priority"}))
@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=5),
    st.lists(st.fractions(-4, 4, max_denominator=7), min_size=5, max_size=5),
    st.integers(0, 30),
)
def test_by_hand_every_line_comes_out_as_it_was_decided(rule: str, claims: list[int], carries: list[Fraction], units: int) -> None:
    them = [claimant(f"req_{place}", "JP", claim_g, carry_in_g=carries[place]) for place, claim_g in enumerate(claims)]
    assert_by_hand(decide(terms(rule, g5=units), *them))


def test_every_code_of_a_contradiction_is_on_the_page() -> None:
    sources = [*(ROOT / "services/allocation/domain").glob("*/*contradictions.py")]
    assert len(sources) == 3
    text = "".join(source.read_text() for source in sources)
    codes = set(re.findall(r'contradiction\(\s*"([a-z_]+)"', text)) | set(re.findall(r', "([a-z_]+_differs)"\)', text))
    listed = PAGE.partition("## Codes")[2]
    assert len(codes) > 35
    assert codes | {"outcome_differs"} == set(re.findall("`([a-z_]+)`", listed))
