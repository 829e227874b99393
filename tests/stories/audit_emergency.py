"""A round that one person decided in an emergency, for the audit."""

from datetime import UTC, date, datetime
from typing import Any

from msgspec.structs import replace

from services.allocation import events as allocation
from shared.terms.approval import key_id, public_key_hex
from tests.stories.audit import (
    ANTIMONY,
    DAY_BEFORE,
    DECISION,
    OTHER_KEY,
    Step,
    Story,
    a_citation,
    an_instrument,
    approval,
    before,
    book,
    told,
)

LATER = date(2026, 1, 2)
RATIFY_BY = datetime(2026, 1, 8, tzinfo=UTC)


def instrument(event: Any, on: date = LATER) -> Step:
    return Step(event=event, stream=f"instrument/{event.instrument}", shard=1, on=on)


def ratification(subject: str = "sub_second", **said: Any) -> allocation.Approval:
    return approval(subject, OTHER_KEY, purpose="ratification", **said)


def in_an_emergency(*, ratified_by: str | None = "sub_second") -> Story:
    """The round is decided by one person; another, with a power and a key of their own, ratifies it."""
    story = told()
    opened = story["open"]
    assert isinstance(opened, Step)
    path = allocation.EmergencyPath(ratify_within_hours=48)
    story["open"] = replace(opened, event=replace(opened.event, emergency=path))
    story["cite"] = book(a_citation(act="emergency_release"))
    key: Any = key_id(public_key_hex(OTHER_KEY))
    enrolled = allocation.ApproverKeyEnrolled(subject="sub_second", key=key, public_key=public_key_hex(OTHER_KEY))  # type: ignore[arg-type]
    second = an_instrument(instrument="ins_2", holder="sub_second")
    round: Any = {"round": "rnd_1", "product": ANTIMONY, "decision": DECISION}
    decided = allocation.EmergencyDecided(**round, approved_by=("sub_approver",), mass_g=100, ratify_by=RATIFY_BY)  # type: ignore[arg-type]
    story = before(
        story,
        "key",
        second=instrument(second, DAY_BEFORE),
        second_key=Step(event=enrolled, stream="approver/sub_second", shard=1, on=LATER),
    )
    story = before(story, "release_jp", emergency=book(decided))
    if ratified_by is None:
        return story
    ratified = allocation.DecisionRatified(**round, approval=ratification(ratified_by), late=False)
    cited = a_citation(act="ratify", authority="ins_2", by=ratified_by)
    return before(story, "close", ratify=book(ratified), cite_ratify=book(cited))
