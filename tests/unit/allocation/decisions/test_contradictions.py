"""What a decision says in two places agrees, and what it says in one place alone is named: no value changes in silence."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import date
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.allocation.domain.decisions.check import recompute, recompute_own
from services.allocation.domain.decisions.contradictions import contradictions, not_compared
from services.allocation.domain.decisions.decision import DecisionFile, UnreadableDecision, canonical_document, commitment, read_file
from services.allocation.domain.decisions.eligibility import Lot, Right, Stock, Stop
from services.allocation.domain.decisions.sealed import read_view
from services.allocation.domain.rules import RuleInputError
from tests.stories.book import EU, JP, TONNE, UNIT_G, US
from tests.stories.composed import at, leaves, partner_view
from tests.stories.decided import METHODS, WRONG, again, decided, forged


@pytest.mark.parametrize("kind", METHODS)
def test_a_decision_that_the_reserve_made_contradicts_itself_in_nothing(kind: str) -> None:
    file = decided(kind)
    assert (contradictions(file), recompute(file)) == ([], [])
    assert len(file.decision.terms.pools or ()) > 2
    assert any(barred.profile is None for barred in (file.holdings.content.barred if file.holdings else ()) or ())
    for partner in (JP, US, EU):
        assert contradictions(partner_view(file, partner)) == []


LOTS = st.lists(
    st.builds(
        Lot,
        lot=st.integers(0, 10**6).map("lot_{}".format),
        depot=st.sampled_from(("Darwin", "Perth")),
        unit_g=st.sampled_from((UNIT_G, TONNE)),
        units=st.integers(0, 12),
        origin=st.sampled_from(("AU", "CN")),
        contents=st.just({"Sb": "0.9965"}),
        expires_on=st.sampled_from((None, date(2025, 12, 31), date(2026, 2, 1), date(2026, 8, 1))),
    ),
    max_size=6,
    unique_by=lambda each: each.lot,
)
RIGHTS = st.lists(
    st.builds(
        Right,
        right=st.integers(0, 10**6).map("rgt_{}".format),
        mass_g=st.integers(0, 40 * TONNE),
        window_from=st.sampled_from((None, date(2026, 2, 1), date(2026, 5, 1))),
        window_to=st.sampled_from((date(2025, 12, 1), date(2026, 9, 30))),
    ),
    max_size=3,
    unique_by=lambda each: each.right,
)
STOPS = st.lists(
    st.builds(
        Stop,
        scope=st.sampled_from(("depot", "partner", "product", "all")),
        target=st.sampled_from(("Darwin", "JP", "US")),
        expires_on=st.sampled_from((None, date(2025, 12, 31))),
    ),
    max_size=2,
)


@settings(max_examples=150, deadline=None)
@given(
    *(st.sampled_from(sorted(METHODS)), LOTS, RIGHTS, STOPS, st.integers(-9, 9), st.integers(-9, 9)),
    *(st.integers(0, 20 * TONNE), st.integers(0, 60 * TONNE), st.integers(1, 60)),
)
def test_no_decision_that_the_reserve_makes_contradicts_itself_whatever_it_holds(
    kind: str, lots: list[Lot], rights: list[Right], stops: list[Stop], more: int, less: int, reserved_g: int, protected_g: int, supply: int
) -> None:
    """`more`, `less`: free units of each size beyond those of known lots, or fewer."""
    known = Counter({UNIT_G: more, TONNE: less})
    for each in lots:
        known[each.unit_g] += each.units
    stock = Stock(
        nominal_unit_g=UNIT_G,
        lots=lots,
        rights=rights,
        stops=stops,
        free_units={unit_g: max(0, units) for unit_g, units in known.items()},
        reserved_rights_g=reserved_g,
        protected_g=protected_g,
    )
    assert contradictions(decided(kind, stock, supply)) == []


# --- what somebody would have signed


@pytest.mark.parametrize(("code", "change"), WRONG.values(), ids=WRONG)
def test_a_decision_that_says_two_things_is_told_by_a_code_though_its_outcome_follows(
    code: str, change: Callable[[Any, Any], None]
) -> None:
    file = forged(decided(), change)
    assert recompute(file) == []
    assert code in {found.code for found in contradictions(file)}, contradictions(file)


def test_a_decision_from_before_its_agreements_were_told_names_what_it_cannot_show() -> None:
    file = decided()
    assert file.holdings is not None
    plain = json.loads(canonical_document(file))
    del plain["holdings"]["content"]["partners"], plain["holdings"]["content"]["beside"]
    old = again(plain)
    assert contradictions(old) == []
    named = {each.where for each in not_compared(old)}
    assert {"holdings/available_g", "lines/*/claimant/cap_g", "lines/*/claimant/agreement"} <= named
    assert not {"holdings/available_g", "lines/*/claimant/cap_g"} & {each.where for each in not_compared(file)}


# --- every value


def others(plain: Any, path: tuple[Any, ...]) -> list[Any]:
    """What somebody might put in its place: a little more, a little less, nothing, and what stands in its neighbours' place."""
    value, name = at(plain, path), next(key for key in reversed(path) if isinstance(key, str))
    found: list[Any] = [None]
    if isinstance(value, int):
        found += [value + 1, value - 1, 0]
    elif value is None:
        found += [1, "1/2", "awards", "p1", JP, at(plain, ("decision", "terms", "pools", 0, "pool"))]
    else:
        found += [f"{value}x", "", value[:-1] + ("1" if value[-1:] == "0" else "0")]
        if name.endswith("_g") or name in ("parameter", "cutoff", "cap", "own_cap", "restraint", "part_of_right", "kappa", "days_of_cover"):
            found += [str(Fraction(value) + Fraction(1, 7)), str(Fraction(value) / 2)]
    there = {str(at(plain, each)): at(plain, each) for each in leaves(plain) if name in each[-2:]}
    found += list(there.values())[:3]
    return [each for place, each in enumerate(found) if (type(each), each) != (type(value), value) and each not in found[:place]]


def forgeries(file: DecisionFile, path: tuple[Any, ...]) -> Iterator[DecisionFile]:
    """The file with another value there, as readable files: as it stands with its commitments made anew, and worked out anew."""
    plain = json.loads(canonical_document(file))
    for value in others(plain, path):
        changed = deepcopy(plain)
        at(changed, path[:-1])[path[-1]] = value
        try:
            yield recommitted(read_file(json.dumps(changed).encode()), path)
            worked_out = again(changed)
        except (UnreadableDecision, RuleInputError):
            continue
        if at(json.loads(canonical_document(worked_out)), path) == value:
            yield worked_out


def recommitted(file: DecisionFile, path: tuple[Any, ...]) -> DecisionFile:
    if path[0] == "decision" and path[1] in ("lines", "holdings"):
        return file
    assert file.holdings is not None
    decision = msgspec.structs.replace(
        file.decision, holdings=commitment(file.holdings), lines=tuple(sorted(commitment(line) for line in file.lines))
    )
    return msgspec.structs.replace(file, decision=decision)


def name_of(path: tuple[Any, ...]) -> str:
    """As `not_compared` names it."""
    rest = [key for key in path if key != "content"]
    return "/".join(map(str, rest[1:] if rest[0] == "decision" and rest[1] != "lines" else rest))


def is_named(path: tuple[Any, ...], named: set[str]) -> bool:
    """That, or what it is part of; `*` is any one place."""
    parts = name_of(path).split("/")
    return any(
        len(each) <= len(parts) and all(one in ("*", other) for one, other in zip(each, parts, strict=False))
        for each in (name.split("/") for name in named)
    )


FOUND = (
    *("holdings/available_g", "holdings/held/0/units", "holdings/held/0/unit_g", "holdings/held/0/pool", "holdings/held/3/pool"),
    *("holdings/beside/reserved/0/units", "holdings/beside/rights_rest_g", "holdings/partners/0/agreement"),
    *("holdings/partners/0/priority_class", "holdings/partners/0/carry_g", "terms/pools/0/pool", "terms/pools/0/kind"),
    *(f"lines/1/claimant/{name}" for name in ("partner", "agreement", "agreement_version", "priority_class", "carry_in_g", "cap_g")),
    *(f"lines/1/{name}" for name in ("claimant/pools/0", "claimant/part_of_right", "award_g", "entitlement_g", "carry_out_g")),
    *("left_g", "steps/0/parameter", "holdings", "decision/lines/0"),
)


@pytest.mark.parametrize("kind", METHODS)
def test_no_value_of_a_decision_is_changed_in_silence(kind: str) -> None:
    """Each other value that leaves a file readable is found by a code, or its place was named as one that is compared with nothing."""
    file = decided(kind)
    named = {each.where for each in not_compared(file)}
    paths = list(leaves(json.loads(canonical_document(file))))
    assert len(paths) > 250
    silent = [
        (name_of(path), str(at(json.loads(canonical_document(forgery)), path)))
        for path in paths
        if not is_named(path, named)
        for forgery in forgeries(file, path)
        if not contradictions(forgery) and not recompute(forgery)
    ]
    assert silent == []
    places = {name_of(path) for path in paths}
    assert not {place for place in places & set(FOUND) if is_named(tuple(place.split("/")), named)}, "these are compared, and not named"


@pytest.mark.parametrize("kind", METHODS)
def test_no_value_that_a_partner_sees_is_changed_in_silence(kind: str) -> None:
    view = partner_view(decided(kind), JP)
    named = {each.where for each in not_compared(view)} | {each.split(":")[0] for each in recompute_own(view).not_checkable}
    plain = json.loads(canonical_document(view))
    silent = []
    for path in leaves(plain):
        own = (path[0], view.lines[path[1]].content.claimant.request, *path[2:]) if path[0] == "lines" else path
        if is_named(path, named) or is_named(own, named):
            continue
        for value in others(plain, path):
            changed = deepcopy(plain)
            at(changed, path[:-1])[path[-1]] = value
            try:
                forgery = read_view(json.dumps(changed).encode())
            except UnreadableDecision:
                continue
            known = {commitment(line) for line in view.lines}  # its lines are committed to anew, and the others' stay
            rest = [each for each in forgery.decision.lines if each not in known]
            lines = tuple(sorted([*rest, *(commitment(line) for line in forgery.lines)]))
            if path[:2] != ("decision", "lines"):
                forgery = msgspec.structs.replace(forgery, decision=msgspec.structs.replace(forgery.decision, lines=lines))
            if not contradictions(forgery) and not recompute_own(forgery).failed:
                silent.append((name_of(path), value))
    assert silent == []
    assert not [each for each in named if is_named(("lines", "*", "award_g"), {each})]
