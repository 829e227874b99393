"""Texts through a restore and a recovery, on the real engines: what was typed since is kept, and what was erased stays gone."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from reserve.operate.backup import back_up_service
from reserve.operate.restore import restore_service
from shared.journal import texts
from shared.journal.codec import Codec
from shared.journal.decider import Decider
from shared.journal.record import new_salts
from shared.journal.texts import ErasureCode, SaltedText, plain_before, salted
from shared.process.service import Service
from shared.terms.erasing import Erasable, EraseText, evolve, stream_of
from tests.kernel.counter import DECIDER, Event, Note, Take, counter_service
from tests.kernel.recovering import Case
from tests.kernel.stage import Stage, context


class Erased(texts.TextErased, frozen=True, kw_only=True, tag="counter.text_erased.v1"):
    pass


def decide(command: EraseText, _text: Erasable) -> list[Erased]:
    return [Erased(text=command.text, code=command.code)]


def erasable(service: Service) -> Service:
    """The counter, some of whose notes are texts; one person erases them."""
    decider = Decider(kind="text", initial=Erasable(), commands=EraseText, decide=decide, evolve=evolve)
    return msgspec.structs.replace(service, deciders=(DECIDER, decider), event_type=Event.__value__ | Erased, documents=lambda _event: ())


@pytest.fixture
def service(stage: Stage) -> Service:
    return erasable(counter_service(stage.name("counter")))


def text(content: str) -> SaltedText:
    return salted(new_salts(1)[0], content)


async def note(writer: Any, *said: SaltedText, **options: Any) -> Any:
    """The first is what the event holds."""
    return await writer.submit("counter/a", Note(counter="a", document=said[0].commitment), context(texts=said, **options))


async def erase(writer: Any, said: SaltedText) -> Any:
    name = said.commitment.removeprefix("text:")
    return await writer.submit(stream_of(name), EraseText(text=name, code=ErasureCode.COURT_ORDER), context())


async def kept(stage: Stage, service: Service) -> dict[str, str | None]:
    async with stage.sql(service.name) as sql:
        return {row["commitment"]: row["content"] for row in await sql.fetch("SELECT commitment, content FROM texts")}


async def test_a_text_is_kept_with_the_event_that_holds_it_and_no_other(stage: Stage, service: Service) -> None:
    said, unsaid, refused = text("said"), text("unsaid"), text("refused")
    async with stage.writing(service) as writer:
        accepted = await note(writer, said, unsaid)
        await writer.submit("counter/a", Take(counter="a", amount=5), context(texts=(refused,)))
        await erase(writer, said)
        after = await kept(stage, service)
        async with stage.sql(service.name) as sql:
            place = tuple(await sql.fetchrow("SELECT shard, position FROM texts WHERE commitment = $1", said.commitment))
    assert after == {said.commitment: None}
    assert place == (accepted.shard, accepted.position)


async def test_a_restored_service_keeps_what_was_typed_since_and_not_what_was_erased_since(
    stage: Stage, service: Service, tmp_path: Path
) -> None:
    early, late, gone = text("early"), text("late"), text("gone")
    owner = stage.database_url
    async with stage.writing(service) as writer:
        await note(writer, early)
        await note(writer, gone)
        await back_up_service(service.name, owner, tmp_path / "backup")
        await note(writer, late)
        await erase(writer, gone)
    await restore_service(service.name, tmp_path / "backup", tmp_path, owner)
    assert await kept(stage, service) == {early.commitment: "early", late.commitment: "late", gone.commitment: None}
    async with stage.sql() as sql:
        assert await sql.fetchval("SELECT to_regclass($1)", f"{service.name}_before_restore.texts") is None


async def test_a_recovered_erasure_erases_again(stage: Stage, tmp_path: Path) -> None:
    case = Case(stage, tmp_path / "backup")
    case.service = erasable(case.service)
    gone, late = text("gone"), text("late")
    async with case.serving() as counter:
        await note(counter.kernel.writer, gone)
        await case.back_up()
        await note(counter.kernel.writer, late)
        await erase(counter.kernel.writer, gone)
        await case.carried()
    await case.restore()  # all else of the service is lost
    assert await kept(stage, case.service) == {gone.commitment: "gone"}
    await case.recover()
    assert await kept(stage, case.service) == {gone.commitment: None}  # of what nobody has copied, the commitment alone is left


def test_what_was_plain_reads_as_it_was_though_it_looks_like_a_commitment() -> None:
    upcasters = plain_before({"counter.said": "reason about.reasons"})
    codec = Codec(Said, upcasters)
    look_alike = f"text:{'ab' * 32}"
    stored = msgspec.json.encode({"type": "counter.said.v1", "reason": look_alike, "about": {"reasons": ["one", look_alike]}})
    assert codec.decode("counter.said.v1", stored) == Said(f"plain {look_alike}", About(["one", f"plain {look_alike}"]))


class About(msgspec.Struct, frozen=True):
    reasons: list[str]


class Said(msgspec.Struct, frozen=True, tag_field="type", tag="counter.said.v2"):
    reason: str
    about: About
