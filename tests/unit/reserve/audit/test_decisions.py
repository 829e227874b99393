"""The audit of a certified decision, whatever its round shares by: true ones pass, and what was decided otherwise is told."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from reserve.audit.decisions import Asked, ToCheck, faults_of
from services.allocation.domain.decisions.composing import compose
from services.allocation.domain.decisions.decision import DecisionFile, canonical_document, read_file
from services.allocation.domain.decisions.proposal import Prepared
from services.allocation.domain.decisions.sealed import decision_hash, publish
from services.allocation.events import AwardGranted, IepPosition, RoundCertified, RoundMethod, RoundOpened, RoundProposed
from tests.stories.book import EU, JP, UNIT_G, US, Story, a_book, accept, open_round, submit, surroundings, terms

POSITIONS = tuple(
    IepPosition(
        partner=partner, base_g=base * UNIT_G, commitment_g=held * UNIT_G, production_g=0, imports_g=there * UNIT_G, source="statistics"
    )
    for partner, base, held, there in ((JP, 60, 20, 30), (US, 40, 10, 25), (EU, 30, 5, 29))
)
METHODS = {
    "pro rata under a cap": RoundMethod(rule="pro_rata", cap="2/5", caps={US: "1/10"}),
    "quotas as caps": RoundMethod(rule="quota_capped"),
    "equal losses": RoundMethod(rule="equal_losses", cap="1/2"),
    "talmud": RoundMethod(rule="talmud"),
    "rights": RoundMethod(rule="iep", restraint="31/46"),
    "classes": RoundMethod(rule="priority", inside={"0": "equal_awards", "": "quota_capped"}),
}
AROUND = surroundings(rights=6, terms={JP: terms(JP, 14), US: terms(US, 9, priority_class=1), EU: terms(EU, 500, priority_class=1)})


def round_by(method: RoundMethod, lots: int = 20) -> tuple[ToCheck, Prepared]:
    """Two requests of JP, one of US and one of EU; certified."""
    asked = {"jp": (JP, 10), "jp2": (JP, 8), "us": (US, 12), "eu": (EU, 15)}
    story = a_book()
    for name, (partner, units) in asked.items():
        story = story.given(submit(name, partner, units, minimum_g=UNIT_G), accept(name, units))
    positions = POSITIONS if method.rule == "iep" else ()
    story = story.when(open_round(*asked, method=method, positions=positions))
    opened = next(each for each in story.events if isinstance(each, RoundOpened))
    around = msgspec.structs.replace(AROUND, lots_g=lots * UNIT_G)
    prepared = story.prepared(24, around)
    story = story.when(story.propose(24, around))
    proposed = next(each for each in story.events if isinstance(each, RoundProposed))
    return _checked(story, opened, proposed, asked, around), prepared


def _checked(story: Story, opened: RoundOpened, proposed: RoundProposed, asked: Mapping[str, tuple[Any, int]], around: Any) -> ToCheck:
    story = story.given(story.approve())
    events = story.when(story.certify(around)).events
    return ToCheck(
        place="allocation/0/9",
        opened=opened,
        proposed=proposed,
        certified=next(each for each in events if isinstance(each, RoundCertified)),
        granted=tuple(each for each in events if isinstance(each, AwardGranted)),
        asked={
            f"req_{name}": Asked(
                partner=partner,
                product=opened.product,
                mass_g=units * UNIT_G,
                minimum_g=UNIT_G,
                daily_consumption_g=1_000_000,
                accepted_g=units * UNIT_G,
            )
            for name, (partner, units) in asked.items()
        },
        carries_g={},
    )


def renamed(round: ToCheck, file: DecisionFile) -> tuple[ToCheck, bytes, bytes]:
    """As if the journal named this decision: only its content can give it away."""
    published, whole = canonical_document(publish(file)), canonical_document(file)
    name: Any = decision_hash(file)
    proposed = msgspec.structs.replace(round.proposed, decision=name, file=sha256(whole).hexdigest())
    return (
        msgspec.structs.replace(round, proposed=proposed, certified=msgspec.structs.replace(round.certified, decision=name)),
        published,
        whole,
    )


def again(file: DecisionFile, change: Callable[[Any, Any], Any]) -> DecisionFile:
    """Decided anew by other terms or claimants, and so consistent in itself."""
    assert file.holdings is not None
    claimants = [msgspec.structs.replace(line, content=line.content.claimant) for line in file.lines]
    changed_terms, changed_claimants = change(file.decision.terms, claimants)
    return compose(changed_terms, file.holdings, changed_claimants)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("lots", [18, 40])
def test_a_true_decision_passes_by_whatever_method_its_round_shares(method: RoundMethod, lots: int) -> None:
    round, prepared = round_by(method, lots)
    assert list(faults_of(round, prepared.published, prepared.file, prepared.release_order)) == []
    assert sum(award.mass_g for award in round.granted) > 0


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("talmud", lambda terms, claimants: (msgspec.structs.replace(terms, rule="equal_awards"), claimants), "its terms"),
        ("classes", lambda terms, claimants: (msgspec.structs.replace(terms, inside={}), claimants), "method"),
        ("pro rata under a cap", lambda terms, claimants: (msgspec.structs.replace(terms, cap=Fraction(1, 2)), claimants), "method"),
        (
            "pro rata under a cap",
            lambda terms, claimants: (
                terms,
                [msgspec.structs.replace(each, content=msgspec.structs.replace(each.content, cap_g=None)) for each in claimants],
            ),
            "cap_g of req_us",
        ),
        (
            "quotas as caps",
            lambda terms, claimants: (
                terms,
                [
                    msgspec.structs.replace(each, content=msgspec.structs.replace(each.content, cap_g=each.content.accepted_g))
                    for each in claimants
                ],
            ),
            "cap_g of req_jp2",
        ),
        ("rights", lambda terms, claimants: (msgspec.structs.replace(terms, restraint=Fraction(9, 10)), claimants), "method"),
    ],
)
def test_a_decision_by_another_method_or_limit_is_told(name: str, change: Callable[[Any, Any], Any], told: str) -> None:
    round, prepared = round_by(METHODS[name])
    file = again(read_file(prepared.file), change)
    faults = list(faults_of(*renamed(round, file), prepared.release_order))
    assert any(told in fault for fault in faults), faults


def test_positions_that_the_round_was_not_opened_with_are_told() -> None:
    round, prepared = round_by(METHODS["rights"])
    other = msgspec.structs.replace(round.opened, positions=POSITIONS[:2])
    faults = list(faults_of(msgspec.structs.replace(round, opened=other), prepared.published, prepared.file, prepared.release_order))
    assert "it was decided with other positions than the round was opened with" in faults


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda one: {"agreement": "agr_XX"}, "another agreement, quota, cap or carry"),
        (lambda one: {"quota_left_g": one.quota_left_g + 1}, "another agreement, quota, cap or carry"),
        (lambda one: {"own_cap": Fraction(1, 7)}, "another agreement, quota, cap or carry"),
        (lambda one: {"partner": "XX"}, "of whom no agreement was read"),
    ],
)
def test_agreements_beside_the_lines_that_the_journal_does_not_know_are_told(change: Callable[[Any], Any], told: str) -> None:
    round, prepared = round_by(METHODS["pro rata under a cap"])
    file = read_file(prepared.file)
    assert file.holdings is not None and isinstance(file.holdings.content.partners, tuple)
    first, *others = file.holdings.content.partners
    partners = (msgspec.structs.replace(first, **change(first)), *others)
    assert any(told in fault for fault in _faults_with(round, prepared, file, partners=partners))


def test_protected_stock_that_the_journal_does_not_know_is_told() -> None:
    round, prepared = round_by(METHODS["rights"])
    file = read_file(prepared.file)
    assert any("its holdings protect 1 g" in fault for fault in _faults_with(round, prepared, file, protected_g=1))


def _faults_with(round: ToCheck, prepared: Prepared, file: DecisionFile, **changes: Any) -> list[str]:
    assert file.holdings is not None
    holdings = msgspec.structs.replace(file.holdings, content=msgspec.structs.replace(file.holdings.content, **changes))
    forged = again(msgspec.structs.replace(file, holdings=holdings), lambda terms, claimants: (terms, claimants))
    return list(faults_of(*renamed(round, forged), prepared.release_order))
