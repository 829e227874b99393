"""The audit of texts: what a service gives is what its events hold commitments to; what was erased is gone, and by an event."""

from datetime import UTC, datetime, timedelta
from typing import Any

from reserve.audit.evidence import ReadText, Recorded
from reserve.audit.report import Check, Findings
from reserve.audit.texts import Texts
from services.inventory import events as inventory
from shared.journal.record import canonical
from shared.journal.texts import ErasureCode, commitment_to

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
SALT = b"0123456789abcdef"
SAID = commitment_to(SALT, "Jane saw it")
NAME = SAID.removeprefix("text:")
HELD: Any = inventory.HoldPutOn(
    product="antimony-metal",  # type: ignore[arg-type]
    hold="hld_1",  # type: ignore[arg-type]
    scope="product",
    target=None,
    reason=SAID,
    authority=commitment_to(SALT, "the keeper"),
    expires_on=None,
)
KEEPER = HELD.authority.removeprefix("text:")
ERASED = inventory.TextErased(text=NAME, code=ErasureCode.SUBJECT_REQUEST)


def text(content: str | None = "Jane saw it", salt: str | None = SALT.hex(), erased_hours: int | None = None) -> ReadText:
    erased_at = None if erased_hours is None else NOON + timedelta(hours=erased_hours)
    return ReadText(sha256=NAME, content=content, salt=salt, place="inventory/0/1", erased_at=erased_at)


def gone(hours: int) -> ReadText:
    return text(None, None, hours)


def keeper() -> ReadText:
    return ReadText(sha256=KEEPER, content="the keeper", salt=SALT.hex(), place="inventory/0/1", erased_at=None)


def found(given: list[ReadText], *events: Any) -> tuple[list[str], list[str]]:
    """(what fails, what is listed), of a hold and what follows it, an hour apart each."""
    findings = Findings()
    texts = Texts(findings, {"inventory": given})
    for hours, event in enumerate((HELD, *events)):
        record: dict[str, Any] = {"recorded_at": (NOON + timedelta(hours=hours)).isoformat(), "data": canonical(event)}
        told = {name: record.get(name, 0 if name in ("shard", "position", "version") else "") for name in Recorded.__struct_fields__}
        texts.see("inventory", f"event {hours}", Recorded(**told), event)
    texts.finish()
    [result] = [each for each in findings.results() if each.check == Check.TEXTS.name.lower()]
    return [each.what for each in result.failures], [each.what for each in result.listed]


def test_a_text_that_its_event_commits_to_holds():
    assert found([text(), keeper()]) == ([], [])


def test_another_text_another_salt_and_one_that_is_no_salt_are_found():
    for changed in (text("Ann saw it"), text(salt=b"fedcba9876543210".hex()), text(salt="none")):
        assert found([changed, keeper()])[0] == [f"{NAME} is not what this text and its salt give"]


def test_what_was_erased_is_listed_and_found_where_it_is_still_there():
    listed = [f"the text {NAME} was erased: subject_request"]
    assert found([gone(1), keeper()], ERASED) == ([], listed)
    assert found([text(), keeper()], ERASED) == (["it was erased at event 1, and is here"], listed)


def test_what_went_without_an_event_is_found_unless_the_event_may_come_after_what_is_audited():
    later = inventory.RoundFreed(product=HELD.product, round="rnd_1", decision="ab", reason="ratified late")
    assert found([gone(0), keeper()], later, later)[0] == ["nobody has erased it, and it is gone"]
    fails, listed = found([gone(2), keeper()], later, later)
    assert (fails, ["its event is yet to be seen" in each for each in listed]) == ([], [True])
    assert found([text(None, None), keeper()], later, later)[0] == ["nobody has erased it, and it is gone"]  # nor says when


def test_what_nobody_has_is_listed():
    assert found([keeper()]) == ([], [f"the text {NAME} is not there, and no event says that it was erased"])
