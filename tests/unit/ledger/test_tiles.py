"""Tiles in a folder: the layout of C2SP tlog-tiles, writes that survive a cut at any step, and forks that are refused."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import aics_tlog
import pytest
from aics_tlog.tiles import materialise_tiles
from aics_tlog.verified import audit_tiles
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.tile_copy import copy_tiles, cut_tiles
from services.ledger.tile_writer import TileWriter
from services.ledger.tiles import ForkDetected, Tile, TileMissing, TileStore, decode_bundle, encode_bundle, parse_tile_path, tile_at
from shared.proofs.checkpoint import TreeHead
from shared.proofs.merkle import (
    EMPTY_TREE,
    consistency_proof,
    hash_leaf,
    inclusion_proof,
    root_at,
    root_of,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [sha256(index.to_bytes(8)).digest() for index in range(66_000)]


def head_of(leaves: list[bytes]) -> TreeHead:
    return TreeHead(len(leaves), root_of(map(hash_leaf, leaves)))


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def written(folder: Path, *sizes: int) -> TileStore:
    """A store whose writer stopped at each of the sizes."""
    store = TileStore(folder)
    writer = TileWriter(store)
    for size in sizes:
        writer.append(LEAVES[writer.head.size : size])
    return store


# Layout


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 999), "tile/0/999"),
        (Tile(2, 1000), "tile/2/x001/000"),
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(63, 5, 255), "tile/63/005.p/255"),
        (Tile("entries", 1_234_067, 1), "tile/entries/x001/x234/067.p/1"),
    ],
)
def test_a_tile_has_the_path_of_the_specification(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert parse_tile_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0",
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/1000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/300",
        "tile/0/000.p/01",
        "tile/0/000\n",
        "/tile/0/000",
        "tile/0/../../checkpoint",
        "tile/entry/000",
        "tile/0/000.staged",
        "tile/-1/000",
        "tile/0/٠٠٠",
    ],
)
def test_a_path_that_no_tile_has_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not the path of a tile"):
        parse_tile_path(path)


def test_a_tree_of_70000_has_the_tiles_that_the_specification_counts() -> None:
    assert [tile_at(70_000, 0, 272).width, tile_at(70_000, 0, 273).width] == [256, 112]
    assert [tile_at(70_000, 1, 0).width, tile_at(70_000, 1, 1).width, tile_at(70_000, 2, 0).width] == [256, 17, 1]


@given(st.lists(st.binary(max_size=300), max_size=20))
@settings(max_examples=50, deadline=None)
def test_a_bundle_gives_back_its_entries(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries)) == entries


@pytest.mark.parametrize("bundle", [b"\x00", b"\x00\x02a", b"\x00\x01a\x00"])
def test_a_bundle_cut_short_is_refused(bundle: bytes) -> None:
    with pytest.raises(ValueError, match="cut short"):
        decode_bundle(bundle)


def test_an_entry_too_long_for_its_length_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    writer = TileWriter(TileStore(tmp_path))
    with pytest.raises(ValueError, match="65535 bytes"):
        writer.append([b"fits", bytes(65_536)])
    assert files_in(tmp_path) == {}
    assert writer.head == EMPTY_TREE


# Writing and reading


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 513, 1000])
def test_the_files_are_the_oracles_files(tmp_path: Path, size: int) -> None:
    written(tmp_path, size)
    assert files_in(tmp_path) == materialise_tiles(LEAVES[:size])


def test_the_files_are_the_oracles_files_also_with_three_levels(tmp_path: Path) -> None:
    store = written(tmp_path, 65_000, 66_000)
    expected = materialise_tiles(LEAVES)
    held = files_in(tmp_path)
    assert {path: held[path] for path in expected} == expected  # and the partial tile that the checkpoint at 65,000 needed
    assert store.node_reader(66_000)(16, 0) == root_of(map(hash_leaf, LEAVES[:65_536]))


@given(st.lists(st.integers(0, 400), min_size=1, max_size=8))
@settings(max_examples=25, deadline=None)
def test_however_leaves_are_grouped_the_tree_is_the_same_and_any_past_size_can_be_proven(
    tmp_path_factory: pytest.TempPathFactory, groups: list[int]
) -> None:
    store = TileStore(tmp_path_factory.mktemp("tiles"))
    writer = TileWriter(store)
    heads = [EMPTY_TREE]
    for group in groups:
        heads.append(writer.append(LEAVES[writer.head.size : writer.head.size + group]))
    assert heads[-1] == head_of(LEAVES[: sum(groups)])
    newest = heads[-1]
    for old in heads:
        read_node = store.node_reader(old.size)
        assert root_at(read_node, old.size) == old.root
        assert verify_consistency(old, newest, consistency_proof(store.node_reader(newest.size), old.size, newest.size))
        for index in {0, old.size // 2, old.size - 1} if old.size else set():
            assert verify_inclusion(hash_leaf(LEAVES[index]), index, old.size, inclusion_proof(read_node, index, old.size), old.root)


def test_the_oracle_audits_our_tiles_and_its_proofs_from_them_are_ours(tmp_path: Path) -> None:
    store = written(tmp_path, 100, 300, 777)
    reader = aics_tlog.FileSystemTileReader(tmp_path)
    audit_tiles(reader, 777, head_of(LEAVES[:777]).root)
    for index in (0, 99, 255, 256, 511, 776):
        assert aics_tlog.inclusion_proof_from_tiles(reader, index, 777) == inclusion_proof(store.node_reader(777), index, 777)
        assert aics_tlog.read_entry(reader, index, 777) == LEAVES[index]
    assert aics_tlog.consistency_proof_from_tiles(reader, 300, 777) == consistency_proof(store.node_reader(777), 300, 777)


def test_we_read_the_oracles_tiles(tmp_path: Path) -> None:
    aics_tlog.TileWriter(LEAVES[:700]).write_to(tmp_path)
    writer = TileWriter(TileStore(tmp_path), head_of(LEAVES[:700]))
    assert writer.append(LEAVES[700:900]) == head_of(LEAVES[:900])


def test_partial_tiles_go_when_their_tile_is_full_but_can_still_be_read(tmp_path: Path) -> None:
    store = written(tmp_path, 3, 100, 300)
    assert not (tmp_path / "tile/0/000.p").exists()
    assert not (tmp_path / "tile/entries/000.p").exists()
    assert store.read(Tile(0, 0, 3)) == b"".join(map(hash_leaf, LEAVES[:3]))
    assert store.read(Tile("entries", 0, 100)) == encode_bundle(LEAVES[:100])
    assert store.read(Tile(0, 1, 45)) is None
    assert store.read(Tile(0, 1, 20)) == b"".join(map(hash_leaf, LEAVES[256:276]))


def test_a_tree_larger_than_what_is_held_cannot_be_read(tmp_path: Path) -> None:
    store = written(tmp_path, 300)
    with pytest.raises(TileMissing):
        inclusion_proof(store.node_reader(400), 350, 400)


@pytest.mark.parametrize("sizes", [[], [1], [255], [256], [257], [300, 301], [256, 512], [1000], [5, 2000], [66_000]])
def test_the_held_size_is_what_was_written(tmp_path: Path, sizes: list[int]) -> None:
    assert written(tmp_path, *sizes).held_size() == (sizes[-1] if sizes else 0)


# A cut at any step


class Cut(Exception):
    """The process was killed here."""


@contextmanager
def cut_at(step: int) -> Iterator[list[str]]:
    """Let `step` calls that change or flush the disk pass, and fail the next: what a kill leaves behind. Yields the calls that passed."""
    passed: list[str] = []
    originals: dict[tuple[Any, str], Callable[..., Any]] = {}

    def guard(owner: Any, name: str) -> None:
        original = originals[owner, name] = getattr(owner, name)

        def guarded(*args: Any, **kwargs: Any) -> Any:
            if len(passed) == step:
                raise Cut(name)
            passed.append(name)
            return original(*args, **kwargs)

        setattr(owner, name, guarded)

    for owner, name in [(os, "fsync"), (os, "replace"), (os, "mkdir"), (Path, "write_bytes"), (shutil, "rmtree")]:
        guard(owner, name)
    try:
        yield passed
    finally:
        for (owner, name), original in originals.items():
            setattr(owner, name, original)


def test_an_append_cut_at_any_step_is_completed_by_its_repeat(tmp_path: Path) -> None:
    signed = head_of(LEAVES[:200])
    whole = tmp_path / "whole"
    written(whole, 200, 700)
    for step in range(1_000):
        folder = tmp_path / str(step)
        written(folder, 200)
        try:
            with cut_at(step):
                TileWriter(TileStore(folder), signed).append(LEAVES[200:700])
        except Cut:
            # The tree that was signed is intact, whatever the cut left of the new one.
            assert root_at(TileStore(folder).node_reader(200), 200) == signed.root
            resumed = TileWriter(TileStore(folder), signed)
            assert resumed.append(LEAVES[200:700]) == head_of(LEAVES[:700])
            held = {path: data for path, data in files_in(folder).items() if ".p/200" not in path}
            assert held == files_in(whole)
            audit_tiles(aics_tlog.FileSystemTileReader(folder), 700, resumed.head.root)
        else:
            assert step > 20
            return
    raise AssertionError("the append never ends")


def test_the_same_writer_may_repeat_an_append_that_failed(tmp_path: Path) -> None:
    writer = TileWriter(written(tmp_path, 200), head_of(LEAVES[:200]))
    with pytest.raises(Cut), cut_at(5):
        writer.append(LEAVES[200:700])
    assert writer.head == head_of(LEAVES[:200])
    assert writer.append(LEAVES[200:700]) == head_of(LEAVES[:700])


def test_tiles_ahead_of_the_checkpoint_are_appended_again_in_any_groups(tmp_path: Path) -> None:
    store = written(tmp_path, 100, 250, 900)
    assert store.held_size() == 900
    writer = TileWriter(store, head_of(LEAVES[:100]))
    for size in (101, 256, 800, 900, 1000):
        assert writer.append(LEAVES[writer.head.size : size]) == head_of(LEAVES[:size])
    audit_tiles(aics_tlog.FileSystemTileReader(tmp_path), 1000, writer.head.root)


@pytest.fixture
def disk_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is flushed and what is given its name, in order, as it happens."""
    calls: list[tuple[str, str]] = []
    opened: dict[int, str] = {}
    os_open, os_fsync, os_replace = os.open, os.fsync, os.replace

    def recorded_open(path: Any, *args: Any, **kwargs: Any) -> int:
        handle = os_open(path, *args, **kwargs)
        opened[handle] = str(path)
        return handle

    def recorded_fsync(handle: int) -> None:
        calls.append(("flush", opened[handle]))
        os_fsync(handle)

    def recorded_replace(old: Path, new: Path) -> None:
        calls.append(("name", str(new)))
        os_replace(old, new)

    monkeypatch.setattr(os, "open", recorded_open)
    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    return calls


def test_a_tile_is_flushed_before_it_has_its_name_and_its_folders_after(tmp_path: Path, disk_calls: list[tuple[str, str]]) -> None:
    """Power may fail: a name must never stand for bytes that are not on the disk, nor put() return before the names are."""
    written(tmp_path, 300)
    named = [at for at, (what, _) in enumerate(disk_calls) if what == "name"]
    assert len(named) == 5  # two full tiles, two partial ones, and a partial one of level 1
    for at in named:
        path = Path(disk_calls[at][1])
        assert ("flush", f"{path}.staged") in disk_calls[:at]
        for folder in path.parents[: len(path.relative_to(tmp_path).parts)]:
            assert ("flush", str(folder)) in disk_calls[at:]


def test_a_repeat_flushes_the_folders_of_tiles_that_it_finds(tmp_path: Path, disk_calls: list[tuple[str, str]]) -> None:
    """The cut may have come after the last name was given, and before its folder was flushed."""
    written(tmp_path, 300)
    disk_calls.clear()
    written(tmp_path, 300)
    folders = ["", "/tile", "/tile/0", "/tile/0/001.p", "/tile/1", "/tile/1/000.p", "/tile/entries", "/tile/entries/001.p"]
    assert sorted(disk_calls) == [("flush", f"{tmp_path}{folder}") for folder in folders]


# Forks


@pytest.mark.parametrize("held", [201, 255, 256, 300, 700])
@pytest.mark.parametrize("appended", [201, 230, 255, 256, 257, 700, 800])
def test_other_leaves_than_the_tiles_hold_are_a_fork_whatever_the_sizes(tmp_path: Path, held: int, appended: int) -> None:
    """The ledger was restored to size 200, and its leaf 200 is another now."""
    store = written(tmp_path, 200, held)
    before = files_in(tmp_path)
    writer = TileWriter(store, head_of(LEAVES[:200]))
    with pytest.raises(ForkDetected):
        writer.append([b"another", *LEAVES[201:appended]])
    assert files_in(tmp_path) == before
    assert writer.head.size == 200


def test_a_fork_far_behind_the_signed_size_is_seen_at_the_tile_where_it_lies(tmp_path: Path) -> None:
    store = written(tmp_path, 100, 2000)
    writer = TileWriter(store, head_of(LEAVES[:100]))
    writer.append(LEAVES[100:1500])
    with pytest.raises(ForkDetected, match=r"tile/(0|entries)/006"):
        writer.append([*LEAVES[1500:1700], b"another"])


def test_a_checkpoint_of_another_tree_cannot_be_resumed(tmp_path: Path) -> None:
    store = written(tmp_path, 300)
    with pytest.raises(ForkDetected, match="another root"):
        TileWriter(store, TreeHead(300, bytes(32)))


def test_a_checkpoint_ahead_of_the_tiles_cannot_be_resumed(tmp_path: Path) -> None:
    store = written(tmp_path, 300)
    with pytest.raises(TileMissing):
        TileWriter(store, head_of(LEAVES[:301]))


def test_entries_that_are_not_the_leaves_cannot_be_resumed(tmp_path: Path) -> None:
    store = written(tmp_path, 300)
    (tmp_path / "tile/entries/001.p/44").write_bytes(encode_bundle([b"another", *LEAVES[257:300]]))
    with pytest.raises(ForkDetected, match="not the leaves"):
        TileWriter(store, head_of(LEAVES[:300]))


def test_a_truncated_tile_is_missing_not_wrong(tmp_path: Path) -> None:
    store = written(tmp_path, 300)
    path = tmp_path / "tile/0/000"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TileMissing, match="cut short"):
        inclusion_proof(store.node_reader(300), 3, 300)


# Two writers


def test_a_second_process_waits_while_one_writes_and_then_finds_a_fork(tmp_path: Path) -> None:
    store = written(tmp_path, 10)
    with store._alone(), pytest.raises(BlockingIOError):
        TileWriter(TileStore(tmp_path), head_of(LEAVES[:10])).append(LEAVES[10:20])
    assert store.held_size() == 10
    TileWriter(TileStore(tmp_path), head_of(LEAVES[:10])).append(LEAVES[10:20])
    with pytest.raises(ForkDetected):
        TileWriter(store, head_of(LEAVES[:10])).append(LEAVES[20:30])


# Copies


@pytest.mark.parametrize(
    ("held", "size"), [(70, 0), (70, 30), (255, 255), (256, 256), (600, 256), (600, 300), (66_000, 65_536), (66_000, 700)]
)
def test_a_copy_cut_back_is_the_tree_of_that_size_and_grows_again(tmp_path: Path, held: int, size: int) -> None:
    written(tmp_path / "held", size, held)
    copy_tiles(tmp_path / "held", tmp_path / "copy")
    cut_tiles(tmp_path / "copy", size)
    copy = TileStore(tmp_path / "copy")
    assert copy.held_size() == size
    grown = TileWriter(copy, head_of(LEAVES[:size])).append(LEAVES[-50:])
    assert grown == head_of(LEAVES[:size] + LEAVES[-50:])


def test_a_copy_made_while_the_log_grows_has_the_tree_that_was_there_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the folder and the copy of each file, the partial tiles go, since theirs are full."""
    store = written(tmp_path / "held", 200)
    writer = TileWriter(store, head_of(LEAVES[:200]))
    copy = shutil.copyfile

    def grow_and_copy(held: Path, into: Path) -> Any:
        if writer.head.size == 200:
            writer.append(LEAVES[200:300])
        return copy(held, into)

    monkeypatch.setattr(shutil, "copyfile", grow_and_copy)
    copy_tiles(tmp_path / "held", tmp_path / "copy")
    cut_tiles(tmp_path / "copy", 200)
    assert TileWriter(TileStore(tmp_path / "copy"), head_of(LEAVES[:200])).head.size == 200
