"""The audit of tenders: each way in which a bid, a decision or a release can be wrong is found, named, and placed."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from services.allocation.domain.tenders.proposal import PreparedTender
from services.allocation.events import Approval, BidStep
from shared.terms.approval import approve, key_id, public_key_hex
from tests.stories.audit import APPROVER_KEY, OTHER_KEY, TODAY, failures
from tests.stories.audit_tenders import CITED, REVEALED_ON, SEALED_ON, TERMS, cleared, told_with_tender


async def failures_of(folder: Path, prepared: PreparedTender | None = None, **changed: Any) -> dict[str, list[str]]:
    """What is found: check -> names of steps."""
    history = told_with_tender(folder, prepared, **changed)
    named = {place: name for name, place in history.places.items()}
    return {check: [named[place] for place in places] for check, places in failures(await history.audited()).items()}


async def test_a_true_tender_passes(tmp_path: Path):
    report = await told_with_tender(tmp_path).audited()
    assert failures(report) == {}
    assert [result.checked for result in report.checks if result.check == "bids"] == [2]


@pytest.mark.parametrize("changed", [{"steps": (BidStep(price="1000", units=2),)}, {"salt": "00" * 16}])
async def test_a_bid_that_is_not_the_sealed_one_is_found(tmp_path: Path, changed: dict[str, Any]):
    found = await failures_of(tmp_path, revealed_JP=changed)
    assert found == {"bids": ["revealed_JP"], "decisions": ["certified"]}


async def test_a_bid_that_was_sealed_after_others_were_revealed_is_found(tmp_path: Path):
    assert (await failures_of(tmp_path, sealed_EU={"on": REVEALED_ON}, void_EU=None)) == {}  # nothing of it counts
    assert (await failures_of(tmp_path / "late", sealed_US={"on": REVEALED_ON}, sealed_EU=None, void_EU=None))["bids"] == ["revealed_US"]


async def test_a_bid_that_was_revealed_while_others_were_sealed_is_found(tmp_path: Path):
    assert (await failures_of(tmp_path, revealed_JP={"on": SEALED_ON}))["bids"] == ["revealed_JP"]


async def test_a_decision_that_leaves_a_bid_out_is_found(tmp_path: Path):
    assert set((await failures_of(tmp_path, cleared("US")))["decisions"]) == {"proposed", "certified"}


async def test_a_decision_that_counts_a_bid_that_was_not_revealed_is_found(tmp_path: Path):
    assert "certified" in (await failures_of(tmp_path, cleared("JP", "US", "EU")))["decisions"]


async def test_a_decision_with_other_terms_than_the_tenders_is_found(tmp_path: Path):
    for changed in ({"reserve_price": "1050"}, {"pricing": "pay_as_bid"}, {"units": 3}):
        found = await failures_of(tmp_path / str(changed), opened={"terms": replace(TERMS, **changed)})
        assert found["decisions"] == ["certified"], changed


async def test_an_award_at_another_price_than_was_decided_is_found(tmp_path: Path):
    assert await failures_of(tmp_path, granted_US={"amount_minor": 10}) == {"decisions": ["certified"]}


async def test_an_agreement_that_was_not_in_force_or_not_read_is_found(tmp_path: Path):
    later, of_one = cleared("JP", "US", JP=2), cleared("JP", "US", US=None)
    assert await failures_of(tmp_path / "another version", later) == {"decisions": ["proposed", "certified"]}
    assert (await failures_of(tmp_path / "nobody's", of_one))["decisions"] == ["proposed", "certified"]


async def test_a_release_that_is_no_award_is_found(tmp_path: Path):
    assert (await failures_of(tmp_path, released_US={"partner": "JP"}))["releases"] == ["released_US"]
    assert (await failures_of(tmp_path / "none", certified=None))["releases"] == ["released_JP", "released_US"]


async def test_a_tender_that_was_not_released_whole_is_found(tmp_path: Path):
    found = await failures_of(tmp_path, released_US=None)
    assert found == {"releases": ["whole"]}


async def test_an_approval_that_does_not_count_is_found(tmp_path: Path):
    decision = cleared("JP", "US").cleared.decision
    forged = approve(decision, OTHER_KEY, approver="sub_approver", purpose="tender")
    another = approve(decision, OTHER_KEY, approver="sub_approver", purpose="decision")
    for number, signature in enumerate((forged.signature, another.signature)):
        approvals = told_approvals(signature)
        assert (await failures_of(tmp_path / str(number), certified={"approvals": approvals}))["approvals"] == ["certified"]
    assert (await failures_of(tmp_path / "nobody", certified={"approvals": ()}))["approvals"] == ["certified"]
    assert (await failures_of(tmp_path / "proposer", proposed={"proposed_by": "sub_approver"}))["approvals"] == ["certified"]
    assert (await failures_of(tmp_path / "uncited", cited=None))["authority"] == ["approved"]


async def test_an_authority_that_was_cited_over_something_else_is_found(tmp_path: Path):
    for changed in ({"mass_g": 10}, {"amount_minor": 21}, {"currency": "JPY"}, {"product": "gallium-4n"}, {"by": "sub_operator"}):
        cited = replace(CITED, **changed)
        assert (await failures_of(tmp_path / str(changed), cited={"cited": cited}))["approvals"] == ["certified"], changed


def told_approvals(signature: str) -> Any:
    key: Any = key_id(public_key_hex(APPROVER_KEY))
    subject: Any = "sub_approver"
    return (Approval(subject=subject, key=key, signature=signature, approved_on=TODAY),)
