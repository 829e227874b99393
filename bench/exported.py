"""The export: how many events a second a bundle is written at, and read again. What the server of files takes is not counted."""

import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import msgspec

from bench.audited import EVERY, SHARDS, children_cpu_s, files_served, write_file, write_history
from bench.figures import Figure, Options, figure
from bench.files import file_of
from reserve.audit.evidence import LedgerEntry, PostedLine, Recorded
from reserve.audit.hashes import hashed_bytes
from reserve.commands.failure import SEEN_BY_NOBODY
from shared.journal.messages import FEED_LIMIT
from shared.journal.places import Place

EVENTS = 200_000
PAGE = 200  # entries


async def exported(options: Options) -> AsyncGenerator[Figure]:
    """Raises RuntimeError where a command fails."""
    events = options.some(EVENTS)
    with tempfile.TemporaryDirectory(prefix="reserve-bench-") as temporary:
        folder, bundle = Path(temporary) / "served", Path(temporary) / "bundle"
        folder.mkdir()
        key = write_history(folder, events, EVERY)
        _write_books(folder, events)
        (folder / "token").write_text("the files are anybody's")
        with files_served(folder) as url:
            took = _run(0, "export", str(bundle), "--url", url, "--token-file", str(folder / "token"))
        yield figure("exported", events / took[0], "events/s", at_least=50_000)
        yield figure("exported_per_processor", events / took[1], "events/s")
        took = _run(SEEN_BY_NOBODY, "verify", str(bundle), "--key", key, "--integrity", "--json")
        yield figure("bundle_integrity_audited", events / took[0], "events/s")
        size = sum(file.stat().st_size for file in bundle.rglob("*") if file.is_file())
        yield figure("bundle_of_an_event", size / events, "bytes")


def _run(expected: int, *words: str) -> tuple[float, float]:
    """(seconds, processor seconds) of the command with all of its processes."""
    began, before_s = time.monotonic(), children_cpu_s()
    ran = subprocess.run([sys.executable, "-m", "reserve", "audit", *words], capture_output=True, text=True, check=False)
    if ran.returncode != expected:
        raise RuntimeError(f"{words[0]} ended with {ran.returncode}: {ran.stderr[-500:]}")
    return time.monotonic() - began, children_cpu_s() - before_s


def _write_books(folder: Path, events: int) -> None:
    """What the ledger would say of the history: an entry of each event."""
    page: list[LedgerEntry] = []
    pages = -(-events // PAGE)
    shards = [_records(folder, shard) for shard in range(SHARDS)]
    number = 0
    for index in range(events):
        page.append(_entry(index, next(shards[index % SHARDS])))
        if len(page) == PAGE or index == events - 1:
            number += 1
            query = f"limit={PAGE}" + (f"&cursor={number}" if number > 1 else "")
            following = str(number + 1) if number < pages else None
            write_file(file_of(folder, "ledger/v1/entries", query), msgspec.json.encode({"data": page, "next": following}))
            page.clear()
    empty = msgspec.json.encode({"data": [], "next": None})
    for path in ("ledger/v1/balances", *(f"{service}/v1/texts" for service in ("inventory", "allocation", "loans"))):
        write_file(file_of(folder, path, f"limit={PAGE}"), empty)
    heads = msgspec.json.decode(file_of(folder, "inventory/v1/journal/heads").read_bytes())
    write_file(file_of(folder, "ledger/v1/sources"), msgspec.json.encode({f"inventory/{shard}": head for shard, head in heads.items()}))
    note = file_of(folder, "ledger/v1/checkpoint").read_bytes()
    write_file(file_of(folder, "ledger/v1/checkpoint", "grade=witnessed"), note)


class _Feed(msgspec.Struct, frozen=True):
    records: list[Recorded]
    next: int | None


def _records(folder: Path, shard: int) -> Iterator[Recorded]:
    after: int | None = 0
    while after is not None:
        query = f"shard={shard}&after={after}&limit={FEED_LIMIT}"
        feed = msgspec.json.decode(file_of(folder, "inventory/v1/journal", query).read_bytes(), type=_Feed)
        yield from feed.records
        after = feed.next


def _entry(index: int, record: Recorded) -> LedgerEntry:
    names = ("shard", "position", "type", "stream", "partner", "effective_on", "correlation_id", "salt", "event_hash", "chain_hash")
    said = {name: getattr(record, name) for name in (*names, "recorded_at")}
    lines = tuple(PostedLine("title", "bench-oxide", account, 1000, "posted") for account in ("reserve/available", "partner/JP"))
    place = str(Place("inventory", record.shard, record.position))
    more = {"leaf_index": index, "place": place, "source": "inventory", "hashed": hashed_bytes(record).decode(), "postings": lines}
    return msgspec.convert(said | more, LedgerEntry)
