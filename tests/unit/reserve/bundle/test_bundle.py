"""A bundle gives what the running system gives, is one cut however long it takes, and goes on after a fall from what was finished."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from reserve.audit.anchors import Anchor
from reserve.audit.evidence import ReadText
from reserve.audit.history import audit
from reserve.audit.integrity import audit_integrity
from reserve.bundle import export as exporting
from reserve.bundle import layout
from reserve.bundle.evidence import BundleEvidence
from reserve.bundle.export import NotExported, export
from reserve.bundle.layout import BadBundle, File, checked, rows
from reserve.bundle.progress import PROGRESS
from shared.proofs.checkpoint import open_checkpoint
from tests.stories.audit import Told, draw, failures, here, stock, told
from tests.stories.audit_material import told_with_material
from tests.stories.bundles import Running, bundle_of
from tests.stories.restored import Restored, another_product
from tests.stories.vouching import GENEVA, POLICY, TOKYO


def true_one(folder: Path) -> Told:
    history = Told(told_with_material(), folder)
    history.witness("seen", TOKYO, GENEVA)
    return history


def one_that_moved(folder: Path) -> Told:
    return Told(told() | {"late_draw": stock(draw(10, 20, draw="drw_3"))}, folder)


def one_with_a_changed_byte(folder: Path) -> Told:
    history = Told(told(), folder)
    found, index = history.rows_of("lot")
    history.change("lot", data=found[index].data.replace(b"Fremantle", b"Fremantla"))
    return history


def one_with_a_missing_event(folder: Path) -> Told:
    history = Told(told(), folder)
    found, index = history.rows_of("right")
    del found[index]
    return history


def one_that_was_restored(folder: Path) -> Told:
    history = Restored(folder)
    history.begin_history(history.marked, known=history.late)
    history.go_on()
    return history


@pytest.mark.parametrize("make", [true_one, one_that_moved, one_with_a_changed_byte, one_with_a_missing_event, one_that_was_restored])
async def test_a_bundle_gives_the_report_of_the_running_system(make: Callable[[Path], Told], tmp_path: Path) -> None:
    history = make(tmp_path / "log")
    anchors = [Anchor("first", history.signed[0].note), Anchor("last", history.signed[-1].note)]
    await bundle_of(history, tmp_path / "bundle")
    checked(tmp_path / "bundle")
    evidence = BundleEvidence(tmp_path / "bundle")
    live = await audit(history, history.pinned, anchors, [POLICY])
    assert await audit(evidence, history.pinned, anchors, [POLICY]) == live
    assert live.events and bool(failures(live)) == (make in (one_with_a_changed_byte, one_with_a_missing_event))
    alone = await audit_integrity(evidence, partial(here, evidence), history.pinned, anchors, [POLICY])
    assert alone == await audit_integrity(history, partial(here, history), history.pinned, anchors, [POLICY])


async def test_what_is_seen_of_lost_leaves_stands_in_the_bundle(tmp_path: Path) -> None:
    """That they come after those that are kept was shown by the running system alone, from its tiles."""
    history = one_that_was_restored(tmp_path / "log")
    await bundle_of(history, tmp_path / "bundle")
    listed = [
        each.what
        for result in (await audit(BundleEvidence(tmp_path / "bundle"), history.pinned)).checks
        for each in result.listed
        if result.check == "histories"
    ]
    assert len(listed) == 1 and "are lost" in listed[0]


@pytest.mark.parametrize("size", range(1, 8))
async def test_a_bundle_shows_of_its_first_leaves_what_the_log_does(size: int, tmp_path: Path) -> None:
    history = Told(told(), tmp_path / "log")
    await bundle_of(history, tmp_path / "bundle")
    evidence = BundleEvidence(tmp_path / "bundle")
    last = open_checkpoint(history.signed[-1].note, history.pinned).head.size
    for newer in (size, last):
        assert await evidence.consistency(size, newer) == await history.consistency(size, newer)
    assert await evidence.consistency(size, last + 1) is None


async def test_an_export_is_of_one_checkpoint_while_everything_goes_on(tmp_path: Path) -> None:
    history = Told(told(), tmp_path / "log")
    before = await audit(history, history.pinned)

    class Moving(Running[Told]):
        moved = 0

        def _take(self) -> None:
            self.moved += 1
            self._history.seal(f"more_{self.moved}", another_product(f"metal-{self.moved}"))
            self._history.sign(f"more_signed_{self.moved}")

    moving = Moving(history)
    manifest = await export(moving, tmp_path / "bundle")  # type: ignore[arg-type]
    assert moving.moved > 10
    assert (manifest.size, manifest.root) == (before.cut.size, before.cut.root)
    assert await audit(BundleEvidence(tmp_path / "bundle"), history.pinned) == before


async def test_an_export_that_fell_goes_on_from_what_was_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PART_ROWS", 4)
    history = Told(told(), tmp_path / "log")
    whole = await export(Running(history), tmp_path / "at_once")  # type: ignore[arg-type]
    assert len(whole.series("journals/inventory/0")) > 2
    falls = 0
    while True:
        source = Running(history, falls_after=1 + falls % 4)
        try:
            resumed = await export(source, tmp_path / "bundle")  # type: ignore[arg-type]
            break
        except ConnectionError:
            falls += 1
            assert falls < 100, "nothing is kept"
            history.seal(f"meanwhile_{falls}", another_product(f"metal-{falls}"))
    assert falls > 3 and not [asked for asked in source.asked if asked.endswith("after 0")]
    assert resumed == whole
    assert sorted(path.name for path in (tmp_path / "bundle").iterdir()) == sorted(path.name for path in (tmp_path / "at_once").iterdir())
    checked(tmp_path / "bundle")


@pytest.mark.parametrize("lost", ["journals/inventory/0/000001.jsonl.gz", "documents", "books/balances.jsonl.gz"])
async def test_a_finished_file_that_was_damaged_before_it_went_on_is_made_again(
    lost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "PART_ROWS", 4)
    history, bundle = Told(told(), tmp_path / "log"), tmp_path / "bundle"
    whole = await export(Running(history), tmp_path / "at_once")  # type: ignore[arg-type]

    async def fall(pages: int) -> None:
        with pytest.raises(ConnectionError):
            await export(Running(history, falls_after=pages), bundle)  # type: ignore[arg-type]

    await fall(sum(-(-rows_ // 3) for rows_ in (len(history.books), len(history.tree))) + 4)
    file = next((bundle / lost).rglob("*.gz")) if lost == "documents" else bundle / lost
    file.write_bytes(b"rotten")
    if lost == "books/balances.jsonl.gz":
        with pytest.raises(NotExported, match="was changed since it was written"):
            await export(Running(history), bundle)  # type: ignore[arg-type]
        return
    assert await export(Running(history), bundle) == whole  # type: ignore[arg-type]
    checked(bundle)


async def test_a_line_of_progress_that_was_torn_is_no_beginning_of_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PART_ROWS", 4)
    history, bundle = Told(told(), tmp_path / "log"), tmp_path / "bundle"
    whole = await export(Running(history), tmp_path / "at_once")  # type: ignore[arg-type]
    for falls_after in (9, 4, 4):
        with pytest.raises(ConnectionError):
            await export(Running(history, falls_after=falls_after), bundle)  # type: ignore[arg-type]
        with (bundle / PROGRESS).open("ab") as progress:
            progress.write(b'{"file":{"name":"journals/inv')
    resumed = await export(Running(history), bundle)  # type: ignore[arg-type]
    assert resumed == whole
    checked(bundle)


async def test_nothing_that_is_there_is_written_over(tmp_path: Path) -> None:
    history = Told(told(), tmp_path / "log")
    await bundle_of(history, tmp_path / "bundle")
    with pytest.raises(NotExported, match="holds a bundle already"):
        await bundle_of(history, tmp_path / "bundle")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").touch()
    with pytest.raises(NotExported, match="is not empty"):
        await bundle_of(history, tmp_path / "full")


async def test_what_another_system_began_is_not_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError):
        await export(Running(Told(told(), tmp_path / "log"), falls_after=2), tmp_path / "bundle")  # type: ignore[arg-type]
    with pytest.raises(NotExported, match="of another system"):
        await bundle_of(Told(told(), tmp_path / "other"), tmp_path / "bundle")


async def test_a_record_that_no_line_can_hold_ends_the_export_and_not_the_evidence(tmp_path: Path) -> None:
    history = Told(told(), tmp_path / "log")
    found, index = history.rows_of("lot")
    history.change("lot", data=found[index].data + b',"stream":"another"')
    with pytest.raises(BadBundle, match=f"{history.places['lot']} is no event"):
        await bundle_of(history, tmp_path / "bundle")


async def test_hashed_bytes_are_in_it_verbatim(tmp_path: Path) -> None:
    history = Told(told(), tmp_path / "log")
    manifest = await bundle_of(history, tmp_path / "bundle")
    (file,) = manifest.series("journals/inventory/0")
    entry = next(entry for entry in history.books if entry.line == "inventory/0")
    first = next(rows(tmp_path / "bundle", file)).decode()
    assert entry.hashed.replace('"', '\\"') in first and f'"salt":"{entry.salt}"' in first


async def test_a_history_that_nobody_has_signed_has_no_bundle(tmp_path: Path) -> None:
    story = {name: step for name, step in told().items() if name not in ("sign", "dispatch", "last_sign")}
    with pytest.raises(NotExported, match="nothing is signed yet"):
        await bundle_of(Told(story, tmp_path / "log"), tmp_path / "bundle")


async def test_a_page_ends_with_what_memory_is_for_and_texts_are_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = Told(told(), tmp_path / "log")
    texts = [ReadText(sha256=f"{number:064}", content="x" * 1000, salt="00", place=None, erased_at=None) for number in range(9)]
    history.typed["inventory"] = texts
    await bundle_of(history, tmp_path / "bundle")
    evidence, read = BundleEvidence(tmp_path / "bundle"), list[bytes]()
    monkeypatch.setattr(layout, "PAGE_BYTES", 2000)
    unread = layout.rows

    def counted(folder: Path, file: File) -> Iterator[bytes]:
        for row in unread(folder, file):
            read.append(row)
            yield row

    monkeypatch.setattr(layout, "rows", counted)
    found = iter(await evidence.texts("inventory"))
    assert (next(found), len(read)) == (texts[0], 2)
    assert list(found) == texts[1:] and len(read) == 9
