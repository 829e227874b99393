"""The decision document: one name, recomputed whole by an auditor and in part by each partner; nothing in it changes unseen."""

import hashlib
import json
from copy import deepcopy
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from reserve.audit.sealed import sealed
from services.allocation.domain.decisions.check import recompute, recompute_own
from services.allocation.domain.decisions.composing import compose
from services.allocation.domain.decisions.decision import (
    FORMAT,
    Claimant,
    DecisionFile,
    DecisionLine,
    DecisionTerms,
    Format,
    Opened,
    UnreadableDecision,
    canonical_document,
    commitment,
    read_file,
)
from services.allocation.domain.decisions.difference import Difference
from services.allocation.domain.decisions.holdings import Units
from services.allocation.domain.decisions.sealed import (
    OwnFile,
    View,
    committed_lines,
    decision_hash,
    publish,
    read_view,
)
from services.allocation.domain.decisions.written_lines import first_lines, own_part
from services.allocation.domain.rules import RULES, RuleInputError, Turn
from tests.stories.composed import HOLDINGS, SECOND, claimant, decide, leaves, own_view, partner_view, salt, terms

FIRST_FILES, SECOND_FILES = (
    {path.stem: path.read_bytes() for path in sorted((Path(__file__).parent / folder).glob("*.json"))}  # by rule
    for folder in ("decisions_v1", "decisions_v2")
)


def sample(rule: str = "pro_rata", form: Format = FORMAT) -> DecisionFile:
    return decide(
        terms(rule, form, g50=1, g1=51),
        claimant("req_1", "JP", 120, accepted_g=50, carry_in_g=Fraction(1, 3), daily_consumption_g=7),
        claimant("req_2", "US", 100, priority_class=1),
        claimant("req_3", "EU", 40, minimum_g=39, priority_class=1),
        claimant("req_4", "JP", 3, priority_class=1, daily_consumption_g=0),
    )


# --- the document


def test_a_line_shows_what_was_due_what_was_given_and_the_days_it_buys() -> None:
    first, second = (
        opened.content for opened in decide(terms(), claimant("req_1", "JP", 50, daily_consumption_g=6), claimant("req_2", "US", 100)).lines
    )
    assert (first.entitlement_g, first.award_g, first.carry_out_g, first.days_of_cover) == (
        Fraction(100, 3),
        33,
        Fraction(1, 3),
        Fraction(11, 2),
    )
    assert (second.entitlement_g, second.award_g, second.carry_out_g, second.days_of_cover) == (Fraction(200, 3), 67, Fraction(-1, 3), None)


def test_rationals_are_written_as_strings_and_no_number_is_a_float() -> None:
    plain = json.loads(canonical_document(sample()), parse_float=lambda text: pytest.fail(f"{text} is a float"))
    assert plain["lines"][0]["content"]["claimant"]["carry_in_g"] == "1/3"


def test_the_canonical_bytes_are_those_of_rfc_8785() -> None:
    data = canonical_document(sample())
    assert rfc8785.dumps(json.loads(data)) == data


def test_a_file_is_read_as_it_was_written() -> None:
    assert read_file(canonical_document(sample())) == sample()


def test_the_name_is_the_sha256_of_the_published_part_however_the_file_is_spelt() -> None:
    file = sample()
    assert decision_hash(file) == hashlib.sha256(canonical_document(publish(file))).hexdigest()
    second = sample(form=SECOND)
    assert decision_hash(second) == hashlib.sha256(canonical_document(second.decision)).hexdigest()
    spaced = json.dumps(json.loads(canonical_document(file)), indent=3).encode()
    assert decision_hash(read_file(spaced)) == decision_hash(file)


def test_a_commitment_is_the_sha256_of_salt_and_canonical_line() -> None:
    second = sample(form=SECOND)
    for file, line in ((second, second.lines[0]), (sample(), partner_view(sample(), "JP").lines[0])):
        assert hashlib.sha256(bytes.fromhex(line.salt) + canonical_document(line.content)).hexdigest() in file.decision.lines


def test_the_order_of_requests_and_sizes_does_not_change_the_name() -> None:
    contents = [Opened(salt=salt(n), content=claimant(f"req_{n}", "JP", 50 + n)) for n in range(1, 5)]
    forward = compose(terms(g1=5, g20=4), HOLDINGS, contents)
    assert decision_hash(forward) == decision_hash(compose(terms(g20=4, g1=5), HOLDINGS, contents[::-1]))


@pytest.mark.parametrize(
    ("code", "the_terms", "claimants"),
    [
        ("rule_unknown", terms("lottery"), []),
        ("unit_duplicate", msgspec.structs.replace(terms(), offered=(Units(unit_g=1, units=1), Units(unit_g=1, units=2))), []),
        ("supply_missing", msgspec.structs.replace(terms(), offered=()), []),
        ("claim_duplicate", terms(), [claimant("req_1", "JP", 5), claimant("req_1", "US", 5)]),
        ("accepted_above_asked", terms(), [claimant("req_1", "JP", 5, accepted_g=6)]),
        ("quantity_out_of_range", terms(), [claimant("req_1", "JP", 2**53)]),
    ],
)
def test_a_round_that_no_rule_takes_is_not_decided(code: str, the_terms: DecisionTerms, claimants: list[Claimant]) -> None:
    with pytest.raises(RuleInputError) as caught:
        decide(the_terms, *claimants)
    assert caught.value.code == code


# --- a partner's view


def test_a_partner_sees_its_own_lines_and_nothing_of_the_others() -> None:
    view = partner_view(sample(), "JP")
    assert [line.content.claimant.request for line in view.lines] == ["req_1", "req_4"]
    text = canonical_document(view).decode()
    assert not any(secret in text for secret in ("US", "EU", "req_2", "req_3", "available_g", "protected_g"))


@pytest.mark.parametrize("file", [sample(), sample("priority"), *map(read_file, (FIRST_FILES | SECOND_FILES).values())])
def test_a_view_that_is_cut_out_of_the_bytes_is_the_same(file: DecisionFile) -> None:
    requests = {line.content.claimant.request for line in file.lines[1:3]}
    published = canonical_document(publish(file))
    assert own_part(published, canonical_document(file), requests) == canonical_document(own_view(file, requests))
    assert own_part(published, canonical_document(file), ()) == canonical_document(own_view(file, ()))
    shown = first_lines(canonical_document(file), 2)
    assert [(line.claimant.request, line.entitlement_g, line.award_g, line.carry_out_g) for line in shown] == [
        (line.content.claimant.request, str(line.content.entitlement_g), line.content.award_g, str(line.content.carry_out_g))
        for line in file.lines[:2]
    ]


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize("partner", ["JP", "US", "EU"])
def test_every_view_has_the_decisions_name_and_is_checked_as_far_as_it_goes(rule: str, partner: str) -> None:
    for form, parts in ((FORMAT, ("commitment", "bounds", "days_of_cover")), (SECOND, ("commitment", "award_g", "carry_out_g"))):
        file = sample(rule, form)
        view = read_view(canonical_document(partner_view(file, partner)))
        checked = recompute_own(view)
        assert decision_hash(view) == decision_hash(file)
        assert checked.failed == ()
        for line in view.lines:
            assert {f"lines/{line.content.claimant.request}/{part}" for part in parts} <= set(checked.passed)


def test_what_a_partner_cannot_check_is_never_passed() -> None:
    sealed = {"working", "holdings", "decision/lines", "lines/req_1/award_g", "lines/req_1/working"}
    opened = {"steps", "left_g", "holdings", "lines/req_1/claimant/carry_in_g"}
    for form, named in ((FORMAT, sealed), (SECOND, opened)):
        checked = recompute_own(partner_view(sample(form=form), "JP"))
        subjects = {text.split(":")[0] for text in checked.not_checkable}
        assert named <= subjects
        assert not any(name.startswith(subject) for name in checked.passed for subject in subjects)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_partner_sees_nothing_that_comes_from_the_claims_of_others(rule: str) -> None:
    """Whatever others claim, and whatever is offered: as long as its own award is the same, so is what it sees, but for what is random."""
    them = [claimant("req_1", "JP", 40), claimant("req_2", "US", 60), claimant("req_3", "EU", 20)]
    fewer = msgspec.structs.replace(them[1], accepted_g=53)
    few, more = decide(terms(rule, g1=120), *them), decide(terms(rule, g1=100), them[0], fewer)
    seen = [partner_view(file, "JP") for file in (few, more)]
    assert few.lines[0].content.award_g == more.lines[0].content.award_g == 40
    texts = [canonical_document(view).decode() for view in seen]
    for text in texts:
        assert not any(name in text for name in ("offered", "left_g", "parameter", "cutoff", "entitlement_g", "carry", "tie_rank"))
    told = [(view.decision.terms, len(view.decision.lines), _without_working(view.lines[0].content)) for view in seen]
    assert told[0] == told[1]


def _without_working(line: Any) -> Any:
    return msgspec.structs.replace(line, working="")


def test_a_line_that_breaks_what_no_rule_breaks_is_found_by_its_partner() -> None:
    view = partner_view(decide(terms(g5=10), claimant("req_1", "JP", 40, minimum_g=10, cap_g=30), claimant("req_2", "US", 40)), "JP")
    assert isinstance(view, OwnFile)
    assert recompute_own(view).failed == ()
    content = view.lines[0].content
    takes = content.takes
    for where, changes in (
        ("award_g", {"award_g": 35, "takes": (msgspec.structs.replace(takes[0], units=7),)}),
        ("award_g", {"award_g": 5, "takes": (msgspec.structs.replace(takes[0], units=1),)}),
        ("takes", {"award_g": 20}),
        ("takes", {"takes": (msgspec.structs.replace(takes[0], pool="lots_9"),)}),
        ("days_of_cover", {"days_of_cover": Fraction(3)}),
        ("claimant/accepted_g", {"claimant": msgspec.structs.replace(content.claimant, accepted_g=41)}),
    ):
        line = msgspec.structs.replace(view.lines[0], content=msgspec.structs.replace(content, **changes))
        lines = tuple(sorted([commitment(line), *view.decision.lines[1:]]))
        forged = OwnFile(decision=msgspec.structs.replace(view.decision, lines=lines), lines=(line,))
        assert f"lines/req_1/{where}" in [found.where for found in recompute_own(forged).failed], where


def test_whoever_has_its_line_opened_learns_no_other_salt() -> None:
    """What a partner is given is derived one way: its line's rest, and the blanks, stay closed."""
    file = sample()
    view = partner_view(file, "JP")
    secrets = {line.salt for line in file.lines} | ({file.holdings.salt} if file.holdings else set())
    text = canonical_document(view).decode()
    assert not any(salt in text for salt in secrets)
    assert len(set(file.decision.lines)) == 16, "blank ones hide how many lines there are"
    assert len(decide(terms(), *(claimant(f"req_{n}", "JP", 5) for n in range(17))).decision.lines) == 32


def test_a_view_without_a_line_passes_nothing() -> None:
    checked = recompute_own(partner_view(sample(), "AU"))
    assert (checked.passed, checked.failed) == ((), ())
    assert "lines: none is open in this file" in checked.not_checkable


def test_a_rule_of_a_later_version_is_not_checkable() -> None:
    file = sample(form=SECOND)
    later = msgspec.structs.replace(file.decision.terms, rule="lottery")
    view = partner_view(msgspec.structs.replace(file, decision=msgspec.structs.replace(file.decision, terms=later)), "US")
    checked = recompute_own(view)
    assert (checked.passed, checked.failed) == (("lines/req_2/commitment",), ())
    assert "lines/req_2: this version does not know the rule lottery" in checked.not_checkable


def test_a_partners_view_is_not_enough_for_an_auditor() -> None:
    view = partner_view(sample(form=SECOND), "JP")
    assert isinstance(view, DecisionFile)
    assert recompute(view) != []
    with pytest.raises(UnreadableDecision):
        read_file(canonical_document(partner_view(sample(), "JP")))
    without_a_line = msgspec.structs.replace(sample(), lines=sample().lines[1:])
    assert recompute(without_a_line) != []


# --- files of the first form

FIRST_FORM = {
    "pro_rata": "23a1b915fbfc5758707dfdaff4a14b27845e58574c2051b9ce1f214665f66bc4",
    "priority": "98d0d6fedbf5a250aa6d795168a71f9fa11c655b761bced51a0c2ecba0c6b078",
}


@pytest.mark.parametrize(("rule", "name"), FIRST_FORM.items())
def test_a_file_of_the_first_form_keeps_its_name_and_is_recomputed(rule: str, name: str) -> None:
    data = FIRST_FILES[rule]
    file = read_file(data)
    assert canonical_document(file) == data
    assert decision_hash(file) == name
    assert recompute(file) == []
    for partner in ("JP", "US", "EU"):
        checked = recompute_own(partner_view(file, partner))
        assert checked.failed == ()
        assert f"lines/{partner_view(file, partner).lines[0].content.claimant.request}/award_g" in checked.passed


SECOND_FORM = {
    "equal_awards": "985035e941c78b53ebbc6df2c78d5b4718c8701a39f27de09ba6229a8511d42c",
    "equal_losses": "0ab27b48d9f4a91a3e180eec38c2f259474badc5d2c9414b3e797a89bf1f8ddb",
    "iep": "82d63581c94e3215e2a05ae08e78147035fd4a9ce6fc270c81b2731c5e8c970f",
    "pools": "76c72e78f869ea68f051040e02336f430e3ccc4b0541287806dd181be9bff326",
    "priority": "31cbb544d99e795e36a3c377b17e6f4fff29310de55674d9e5db734267e1c68a",
    "pro_rata": "3e8daca88bd15e63142007eead59fa5ecfb690df1ad40f752402abbe9f2c28ed",
    "quota_capped": "7b73d9266a3de62117ce0b4f5e957652b6ddaf889521888bbf5cf281416eb21e",
    "talmud": "8c7ebb086a4aff3b1abcce3d113cdda4040da5396cb33284bf212ed443d0140d",
}


@pytest.mark.parametrize(("kept", "name"), SECOND_FORM.items())
def test_a_file_of_the_second_form_keeps_its_name_and_is_recomputed(kept: str, name: str) -> None:
    data = SECOND_FILES[kept]
    file = read_file(data)
    assert canonical_document(file) == data
    assert (decision_hash(file), recompute(file)) == (name, [])
    for partner in {line.content.claimant.partner for line in file.lines}:
        view = read_view(canonical_document(partner_view(file, partner)))
        checked = recompute_own(view)
        assert (decision_hash(view), checked.failed) == (name, ())
        assert f"lines/{view.lines[0].content.claimant.request}/award_g" in checked.passed


def test_every_kept_file_is_one_of_those() -> None:
    assert (FIRST_FILES.keys(), SECOND_FILES.keys()) == (FIRST_FORM.keys(), SECOND_FORM.keys())


def test_a_file_of_the_first_form_says_nothing_that_came_with_the_second() -> None:
    data = FIRST_FILES["pro_rata"]
    with pytest.raises(UnreadableDecision, match="cap_g is not of"):
        read_file(data.replace(b'"carry_in_g"', b'"cap_g":5,"carry_in_g"', 1))


# --- tampering


def tampered[V: View](file: V, path: tuple[Any, ...]) -> V | None:
    """The file with one value changed; None when it is no longer a decision file."""
    plain = deepcopy(json.loads(canonical_document(file)))
    *parents, last = path
    parent = plain
    for key in parents:
        parent = parent[key]
    value = parent[last]
    name = last if isinstance(last, str) else parents[-1]
    match value:
        case int():
            parent[last] = value + 1
        case None:
            parent[last] = (
                1 if name in ("tie_rank", "priority_class", "daily_consumption_g", "cap_g") else "awards" if name == "branch" else "1/2"
            )
        case str() if len(value) in (32, 64):
            parent[last] = value[:-1] + ("0" if value[-1] != "0" else "1")
        case str() if name.endswith("_g") or name in ("parameter", "cutoff", "days_of_cover", "restraint", "kappa", "part_of_right"):
            parent[last] = str(Fraction(value) + Fraction(1, 7))
        case str():
            parent[last] = value + "x"
    try:
        changed = read_view(json.dumps(plain).encode())
    except UnreadableDecision:
        return None
    assert isinstance(changed, type(file))
    return changed


@pytest.mark.parametrize("rule", sorted(RULES))
def test_any_changed_value_is_found_by_the_name_or_by_the_auditor(rule: str) -> None:
    file = sample(rule)
    paths = leaves(json.loads(canonical_document(file)))
    assert len(paths) > 80
    for path in paths:
        changed = tampered(file, path)
        assert changed is None or decision_hash(changed) != decision_hash(file) or recompute(changed), path


@pytest.mark.parametrize("rule", sorted(RULES))
def test_any_changed_value_of_its_line_is_found_by_the_partner(rule: str) -> None:
    for form in (FORMAT, SECOND):
        view = partner_view(sample(rule, form), "JP")
        paths = [path for path in leaves(json.loads(canonical_document(view))) if path[0] == "lines"]
        for path in paths:
            changed = tampered(view, path)
            assert changed is None or recompute_own(changed).failed, path


def recommitted(file: DecisionFile, number: int, content: DecisionLine) -> DecisionFile:
    """The file of a dishonest operator: one line changed, and its commitment with it."""
    lines = list(file.lines)
    lines[number] = msgspec.structs.replace(lines[number], content=content)
    assert file.holdings is not None
    sealed = file.decision.terms.format == FORMAT
    committed = committed_lines(file.holdings, lines) if sealed else tuple(sorted(commitment(line) for line in lines))
    decision = msgspec.structs.replace(file.decision, lines=committed)
    return msgspec.structs.replace(file, decision=decision, lines=tuple(lines))


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize("form", [SECOND, FORMAT])
def test_an_outcome_that_was_committed_to_against_the_rule_is_found_by_the_auditor_and_by_its_partner(rule: str, form: Format) -> None:
    """A sealed one by the auditor alone: whom no rule can have given so much apart, its partner cannot know."""
    file = sample(rule, form)
    paths = [
        path
        for path in leaves(json.loads(canonical_document(file)))
        if path[0] == "lines" and path[2:3] == ("content",) and path[3] != "claimant"
    ]
    assert len(paths) >= 4 * 9
    for path in paths:
        if (changed := tampered(file, path)) is None:
            continue
        line = changed.lines[path[1]].content
        forged = recommitted(file, path[1], line)
        assert any(difference.where.startswith("/".join(map(str, path[:4]))) for difference in recompute(forged)), path
        if path[-1] != "tie_rank" and form == SECOND:  # whom a partner ties with, only an auditor knows
            assert recompute_own(partner_view(forged, line.claimant.partner)).failed, path


def test_a_difference_names_what_is_stated_and_what_is_right() -> None:
    file = sample(form=SECOND)
    line = file.lines[1].content
    forged = recommitted(file, 1, msgspec.structs.replace(line, award_g=line.award_g - 1))
    right = Difference("lines/req_2/award_g", str(line.award_g - 1), str(line.award_g))
    assert recompute_own(partner_view(forged, "US")).failed == (right,)


def test_a_claimant_told_a_false_tie_rank_finds_it_unless_it_ties() -> None:
    file = decide(terms(form=SECOND), claimant("req_1", "JP", 50), claimant("req_2", "US", 100))
    line = file.lines[0].content
    assert [turn.tie_rank for turn in line.turns] == [None]
    forged = recommitted(file, 0, msgspec.structs.replace(line, turns=(Turn(units=33, tie_rank=0),)))
    assert [found.where for found in recompute_own(partner_view(forged, "JP")).failed] == ["lines/req_1/turns/0/tie_rank"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        canonical_document(sample()).replace(b'"1/3"', b"0.5", 1),
        canonical_document(sample()).replace(b'"1/3"', b'"2/6"', 1),
        canonical_document(sample()).replace(b'"1/3"', b'"1e999999999"', 1),
        canonical_document(sample()).replace(b'"left_g"', b'"note":"","left_g"', 1),
        canonical_document(sample()).replace(b"reserve.decision.v3", b"reserve.decision.v1", 1),
        canonical_document(sample()).replace(b"reserve.decision.v3", b"reserve.decision.v4", 1),
    ],
)
def test_what_is_no_decision_file_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableDecision):
        read_file(data)


# --- what always holds

CLAIMANTS = st.lists(
    st.builds(
        claimant,
        request=st.integers(1, 99).map("req_{}".format),
        partner=st.sampled_from(["JP", "US", "EU", "AU"]),
        asked_g=st.integers(0, 300),
        carry_in_g=st.fractions(-1, 1, max_denominator=9),
        minimum_g=st.one_of(st.just(0), st.integers(0, 120)),
        priority_class=st.integers(0, 2),
        daily_consumption_g=st.one_of(st.none(), st.integers(0, 50)),
    ),
    max_size=5,
    unique_by=lambda content: content.request,
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(RULES)), st.dictionaries(st.sampled_from(["g1", "g5", "g40"]), st.integers(0, 40), min_size=1), CLAIMANTS)
def test_every_decision_recomputes_for_the_auditor_and_for_each_partner(
    rule: str, offered: dict[str, int], claimants: list[Claimant]
) -> None:
    for form in (FORMAT, SECOND):
        file = read_file(canonical_document(decide(terms(rule, form, **offered), *claimants)))
        assert recompute(file) == []
        assert form == SECOND or sealed(json.loads(canonical_document(file))) == json.loads(canonical_document(publish(file)))
        for partner in {content.partner for content in claimants}:
            view = partner_view(file, partner)
            assert decision_hash(view) == decision_hash(file)
            assert recompute_own(view).failed == ()
