"""Integrity by itself. `Told.audited` holds it against the whole audit in each of that one's tests; here is what only this has: shards side
by side."""

import os
import pickle
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from reserve.audit import integrity
from reserve.audit.evidence import Recorded
from reserve.audit.integrity import CHECKS, audit_integrity
from reserve.audit.report import Report
from reserve.audit.shards import OpenEvidence, Processes, ShardFailed
from tests.stories.audit import DAY_AFTER, Step, Told, failures, here, stock, told


class Journals:
    """The journals of a story, for another process."""

    def __init__(self, file: Path) -> None:
        self._rows: dict[tuple[str, int], list[Recorded]] = pickle.loads(file.read_bytes())  # noqa: S301

    async def journal(self, service: str, shard: int) -> AsyncIterator[Sequence[Recorded]]:
        rows = self._rows[service, shard]
        for start in range(0, len(rows), 4):
            yield rows[start : start + 4]


@asynccontextmanager
async def journals(file: Path) -> AsyncIterator[Journals]:
    yield Journals(file)


@asynccontextmanager
async def nobody(file: Path) -> AsyncIterator[Journals]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield Journals(file)


async def alone(history: Told) -> Report:
    return await audit_integrity(history, partial(here, history), [history.log_key])


async def in_processes(history: Told, folder: Path, opened: OpenEvidence = journals) -> Report:
    (folder / "journals").write_bytes(pickle.dumps(history.journals))
    return await audit_integrity(history, partial(Processes, partial(opened, folder / "journals"), count=2), [history.log_key])


async def test_a_true_history_passes_and_nothing_else_is_said_to_be_looked_at(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    report, whole = await alone(history), await history.audited()
    assert report.ok
    assert [result.check for result in report.checks] == [check.name.lower() for check in CHECKS]
    assert [result.check for result in report.checks if not result.checked] == ["witnessed", "witnessed_times", "anchors"]
    looked = {result.check: result.checked for result in report.checks if result.check not in ("shapes", "events_in_log")}
    assert looked.items() <= {result.check: result.checked for result in whole.checks}.items()
    assert (report.cut, report.events, report.beyond) == (whole.cut, whole.events, whole.beyond)


async def test_shards_that_are_followed_in_processes_give_the_same_report(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    assert await in_processes(history, tmp_path) == await alone(history)
    history.change("draw", partner_seq=7, actor="sub_other")
    history.change("lot", salt="zz")
    report = await in_processes(history, tmp_path)
    assert report == await alone(history)
    assert not report.ok
    assert failures(report)["event_hashes"] == [history.places["lot"], history.places["draw"]]


async def test_shards_that_are_followed_in_processes_know_of_each_history(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    history.begin_history(history.mark())
    registered = told()["register"]
    assert isinstance(registered, Step)
    history.seal("new", stock(replace(registered.event, product="bismuth"), DAY_AFTER))
    history.seal("new_signed", Step())
    report = await in_processes(history, tmp_path)
    assert report == await alone(history)
    assert report.ok and report.cut.size == 2, "the commitment, and what is new"
    assert next(result.checked for result in report.checks if result.check == "leaves_have_events") > report.cut.size, "of both logs"
    history.change("new", history=1)
    report = await in_processes(history, tmp_path)
    assert report == await alone(history)
    assert {"histories", "event_hashes"} <= failures(report).keys()


async def test_a_process_that_dies_is_no_shard_that_holds(tmp_path: Path) -> None:
    with pytest.raises(ShardFailed):
        await in_processes(Told(told(), tmp_path), tmp_path, nobody)


async def test_a_stream_in_two_shards_is_found(tmp_path: Path) -> None:
    story = told()
    elsewhere = [name for name, step in story.items() if getattr(step, "service", "") == "inventory" and getattr(step, "shard", 0) == 0][-1]
    story[elsewhere] = replace(story[elsewhere], shard=1)  # type: ignore[type-var]
    history = Told(story, tmp_path)
    assert "streams" in failures(await alone(history))
    assert "streams" in failures(await history.audited())


async def test_an_event_without_its_leaf_is_one_failure_also_at_the_end_of_a_page(tmp_path: Path) -> None:
    for step in ("lot", "right", "draw", "weigh", "release_jp"):
        history = Told(told(), tmp_path / step)
        if step not in history.places:
            continue
        rows, index = history.rows_of(step)
        rows[index] = replace(rows[index], salt="00" * 16)
        found = failures(await alone(history))
        assert (found["events_in_log"], found["leaves_have_events"]) == ([history.places[step]], [f"leaf {history.leaf_of(step)}"])


async def test_a_shard_that_has_left_the_log_is_not_read_to_its_end_in_search_of_a_leaf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrity, "LOOKED_AHEAD", 4)
    history = Told(told(), tmp_path)
    rows = history.journals["inventory", 0]
    rows[:] = [replace(row, salt="00" * 16) for row in rows]
    report = await alone(history)
    assert len(failures(report)["events_in_log"]) == len(rows)
