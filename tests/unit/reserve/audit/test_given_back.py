"""The audit of what is given back: it follows a book's quota and carries by itself, and says what a book would not do."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from reserve.audit.evidence import Recorded
from reserve.audit.given_back import GivenBack
from reserve.audit.report import Findings
from services.allocation.domain.book.giving_back import GiveBack
from services.allocation.events import DecisionGivenBack, DecisionHash, DecisionSuperseded, RoundCertified, RoundId
from services.inventory.events import AssignmentFailed, DecisionTakenBack
from tests.stories.book import ANTIMONY, JP, OPERATOR, ROUND, UNIT_G, US, Story, a_book, accept, open_round, submit

AGAIN = RoundId("rnd_2")


def faults(events: Sequence[Any]) -> list[str]:
    findings = Findings()
    audit = GivenBack(findings)
    for place, event in enumerate(events):
        record = Recorded(
            shard=0,
            position=place + 1,
            stream="book/antimony-metal",
            version=place + 1,
            type="",
            data=b"",
            partner=None,
            partner_seq=None,
            effective_on="2026-01-06",
            recorded_at="",
            command_id="",
            actor="",
            correlation_id="",
            causation_id=None,
            salt="",
            event_hash="",
            chain_hash="",
        )
        audit.see(f"allocation/0/{place + 1}", record, event)
    audit.finish()
    return [failure.what for result in findings.results() for failure in result.failures]


def decided(story: Story, round: RoundId, supply: int) -> tuple[Story, list[Any]]:
    events: list[Any] = []
    for name, partner in (("jp", JP), ("us", US)):
        story = story.given(submit(f"{name}_{round}", partner, 4), accept(f"{name}_{round}", 4))
    story = story.given(open_round(f"jp_{round}", f"us_{round}", round=round))
    for act in ("propose", "approve", "certify"):
        story = story.when(story.propose(supply, round=round) if act == "propose" else getattr(story, act)(round=round))
        events += story.events
    return story, events


def told() -> list[Any]:
    """A wrong round is superseded by another."""
    story, events = decided(a_book(), ROUND, 3)
    decision = story.decision()
    awarded_g: dict[Any, int] = dict(story.state.rounds[ROUND].proposal.awarded_g)
    story = story.given(story.close())
    events.append(superseded(decision))
    events.append(DecisionTakenBack(product=ANTIMONY, round=ROUND, decision=decision, mass_g=awarded_g))  # type: ignore[arg-type]
    story = story.when(GiveBack(round=ROUND, decision=decision, mass_g=awarded_g, whole=True, reason="superseded"))
    events += story.events
    return events + decided(story, AGAIN, 4)[1]


def failed(mass_g: int = UNIT_G, given_g: int = UNIT_G) -> list[Any]:
    """A round whose award to Japan fails in part, since a project has not delivered; more may be given back than that."""
    story, events = decided(a_book(), ROUND, 3)
    decision = story.decision()
    story = story.given(story.close())
    back = GiveBack(round=None, decision=decision, mass_g={JP: given_g}, whole=False, reason="not delivered")
    gone = AssignmentFailed(
        product=ANTIMONY,  # type: ignore[arg-type]
        draw="drw_1",  # type: ignore[arg-type]
        right="rgt_1",  # type: ignore[arg-type]
        project="Hillgrove",
        partner=JP,
        decision=decision,
        mass_g=mass_g,
    )
    return [*events, gone, *story.when(back).events]


def test_what_is_made_good_has_failed_before():
    assert faults(failed()) == []
    assert faults(failed(UNIT_G - 1)) == [f"{UNIT_G} g are given back to JP, of whose awards {UNIT_G - 1} g have failed"]


def superseded(decision: DecisionHash, **changes: Any) -> DecisionSuperseded:
    told: dict[str, Any] = {
        "round": ROUND,
        "product": ANTIMONY,
        "decision": decision,
        "by_round": AGAIN,
        "superseded_by": OPERATOR,
        "reason": "an error",
        "gives_back": True,
    }
    return DecisionSuperseded(**(told | changes))


def changed(kind: type, **changes: Any) -> list[Any]:
    return [replace(event, **changes) if isinstance(event, kind) else event for event in told()]


def test_a_round_that_is_superseded_and_decided_again_is_sound():
    assert faults(told()) == []


def test_a_round_that_decides_again_before_the_quota_is_back_is_found():
    events = told()
    [back] = [event for event in events if isinstance(event, DecisionGivenBack)]
    found = faults([*(event for event in events if event is not back), back])
    assert "rnd_2 was decided before the quota and carries of rnd_1, which it supersedes, were back" in found
    assert any("were said to be used" in fault for fault in found)
    without = faults([event for event in events if event is not back])
    assert "rnd_2 was decided before the quota and carries of rnd_1, which it supersedes, were back" in without


def test_more_given_back_than_was_taken_back_is_found():
    events = told()
    [back] = [event for event in events if isinstance(event, DecisionGivenBack)]
    less = {partner: replace(quota, mass_g=quota.mass_g - UNIT_G // 2) for partner, quota in back.given.items()}
    more = {partner: replace(quota, mass_g=quota.mass_g + UNIT_G) for partner, quota in back.given.items()}
    assert any("inventory has taken back" in fault for fault in faults(changed(DecisionGivenBack, given=less)))
    assert any("which count no more, or never did" in fault for fault in faults(changed(DecisionGivenBack, given=more)))
    assert any("inventory has taken back" in fault for fault in faults(changed(DecisionTakenBack, mass_g={"JP": 9 * UNIT_G})))


def test_what_an_earlier_build_superseded_gave_nothing_back_and_is_found_only_after_one_that_does():
    [certified] = [event for event in told() if isinstance(event, RoundCertified) and event.round == ROUND]
    old, new = superseded(certified.decision, gives_back=False), superseded(certified.decision)
    assert faults([old]) == []
    assert faults([new, old]) == ["rnd_1 is superseded, and gives nothing back"]
