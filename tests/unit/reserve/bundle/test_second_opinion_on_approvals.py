"""docs/audit/verify.py on who signed: which keys count, since when, who vouched for them, and who had proposed what was signed."""

from datetime import timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from reserve.operate.migrate import ROOT
from shared.terms.approval import key_id, public_key_hex
from tests.stories.audit import TODAY, Step, Story, Told, told
from tests.stories.audit_ceremony import KEYS, enrolled
from tests.stories.audit_ceremony import story as ceremony
from tests.stories.bundles import bundle_of

SPEC = spec_from_file_location("verify", ROOT / "docs/audit/verify.py")
assert SPEC is not None and SPEC.loader is not None
verify: Any = module_from_spec(SPEC)
SPEC.loader.exec_module(verify)


async def verified(folder: Path, story: Story, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Of who has the log's key: whatever the story is, all of it is signed."""
    history = Told(story, folder / "log")
    await bundle_of(history, folder / "bundle")
    status = verify.main([str(folder / "bundle"), str(history.log_key)])
    said = capsys.readouterr()
    return status, said.out + said.err


def _without_possession(event: Any) -> Any:
    return replace(event, possession=None)


@pytest.mark.parametrize(
    ("by", "change", "said"),
    [
        ("ann", None, "it holds"),
        (None, None, "no other approver has signed it"),
        ("cy", None, "no other approver has signed it"),
        ("ann", _without_possession, "the key has not signed its enrolment"),
    ],
)
async def test_a_key_of_after_the_ceremony_is_proven_and_endorsed(
    by: str | None, change: Any, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    event = enrolled(tmp_path / "log", "cy", by=by)
    status, found = await verified(tmp_path, ceremony(tmp_path / "log", cy=event if change is None else change(event)), capsys)
    assert said in found and status == (said != "it holds"), found


async def test_keys_of_builds_before_the_rule_are_taken_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = await verified(tmp_path, told(), capsys)
    assert status == 0 and "not covered" not in found, found


def with_key_last(*, covered: bool, days: int) -> Story:
    """The approver's key is the last event, so many days later."""
    story = told()
    key = story.pop("key")
    assert isinstance(key, Step)
    return story | {"key": replace(key, on=TODAY + timedelta(days=days))} | ({"signed_again": Step()} if covered else {})


@pytest.mark.parametrize(
    ("covered", "days", "status", "said"),
    [
        (True, 0, 0, "it holds"),
        (True, 1, 1, "sub_approver has no key"),
        (False, 0, 0, "by keys whose enrolment is not covered yet"),
        (False, 1, 1, "sub_approver has no key"),
    ],
)
async def test_a_key_counts_once_it_is_enrolled_and_surely_where_that_is_covered(
    covered: bool, days: int, status: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = await verified(tmp_path, with_key_last(covered=covered, days=days), capsys)
    assert found[0] == status and said in found[1], found


# --- who proposed


def hashed(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": f"allocation.{kind}.v1", "data": data, "recorded_at": "2026-01-06T00:00:00.000000Z"}


def signed(purpose: str, by: str) -> dict[str, Any]:
    key = key_id(public_key_hex(KEYS[by]))
    statement = f"reserve.approval.v1\n{purpose}\n{DOCUMENT}\n{by}\n{key}\n".encode()
    return {"subject": by, "key": key, "signature": KEYS[by].sign(statement).hex()}


DOCUMENT = "ab" * 32
ENROLLED = [
    hashed("approver_key_enrolled", subject=name, key=key_id(public_key_hex(key)), public_key=public_key_hex(key))
    for name, key in KEYS.items()
]


def proposed(by: str) -> dict[str, Any]:
    return hashed("round_proposed", decision=DOCUMENT, proposed_by=by)


def approved(by: str) -> dict[str, Any]:
    return hashed("round_approved", decision=DOCUMENT, approval=signed("decision", by))


def command_approved(by: str, says: str) -> dict[str, Any]:
    return hashed("command_approved", document=DOCUMENT, proposed_by=says, approval=signed("command", by))


def holds(*events: dict[str, Any], later: tuple[dict[str, Any], ...] = ()) -> bool:
    approvals = verify.Approvals(set())
    for each in (*ENROLLED, *events):
        approvals.see("allocation/0/1", each)
    for each in later:
        approvals.see("allocation/0/2", each, covered=False)
    try:
        approvals.check()
    except verify.Wrong as wrong:
        assert "proposed it, and approved it" in str(wrong)
        return False
    return True


def test_who_proposed_is_what_a_proposal_before_says_and_nothing_else() -> None:
    assert holds(proposed("ann"), approved("ben"))
    assert not holds(proposed("ann"), approved("ann"))
    assert not holds(proposed("ann"), hashed("policy_used", document=DOCUMENT, proposed_by="cy"), approved("ann"))
    assert not holds(proposed("ann"), command_approved("ben", "cy"), approved("ann"))
    assert not holds(hashed("command_proposed", document=DOCUMENT, proposed_by="ann"), command_approved("ann", "cy"))
    assert not holds(proposed("ann"), approved("ann"), proposed("cy")), "who proposed it again later is another matter"
    assert not holds(proposed("ann"), approved("ann"), later=(proposed("cy"),))
    assert holds(proposed("cy"), approved("ann"), later=(proposed("ann"),))
