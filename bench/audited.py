"""The audit: how many events a second it follows where only integrity is asked for, and its memory with a checkpoint for every leaf.

It is the command as it is, on a history that a server of files answers with. What that server takes is not counted.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import msgspec

from bench.figures import Figure, Options, figure
from bench.files import file_of
from bench.history import Chain, draws, events_of, stocked
from bench.processors import family, memory_bytes
from reserve.audit.evidence import LogOfHistory
from reserve.audit.hashes import Tree
from reserve.commands.failure import SEEN_BY_NOBODY
from services.ledger.events import CheckpointSigned
from services.ledger.keys import open_key, seed_key
from services.ledger.tiles import TILE_WIDTH, encode_bundle, tile_at
from shared.journal.messages import FEED_LIMIT, to_feed
from shared.journal.places import FIRST
from shared.journal.record import GENESIS, Record, leaf_data
from shared.proofs.checkpoint import Checkpoint, TreeHead, sign_checkpoint

SHARDS = 4
EVENTS, EVERY = 1_000_000, 1_000  # leaves to a checkpoint
FEW, MANY, MOST = 200_000, 1_000_000, 10_000_000  # events with a checkpoint each
LOOK_EVERY_S = 0.5
MIB = 2**20


class Took(msgspec.Struct, frozen=True):
    """The command, with all of its processes."""

    seconds: float
    cpu_s: float
    memory_mib: float


async def audited(options: Options) -> AsyncGenerator[Figure]:
    """Raises RuntimeError if a history does not hold: then the figures would mean nothing."""
    events = options.some(EVENTS)
    took = audit_of(events, EVERY)
    yield figure("integrity_audited_per_processor", events / took.cpu_s, "events/s", at_least=60_000)
    yield figure("integrity_audited", events / took.seconds, "events/s")
    at = {}
    for events in (options.some(FEW), options.some(MANY)):
        at[events] = audit_of(events, 1).memory_mib
        yield figure(f"audit_memory_at_{events}_events_with_a_checkpoint_each", at[events], "MiB", at_most=500)
    few, many = at
    each = max(0.0, (at[many] - at[few]) / (many - few))
    yield figure(f"audit_memory_at_{MOST}_events_if_it_grows_so", at[many] + each * (MOST - many), "MiB", at_most=500)


async def audited_at_length(options: Options) -> AsyncGenerator[Figure]:
    """The same memory, of as many events as are asked for, and not reckoned from fewer: ten million are written to 26 GB of files, which
    takes most of an hour by itself. Raises as `audited` does."""
    took = audit_of(options.events, 1)
    yield figure(f"audit_memory_at_all_of_{options.events}_events_with_a_checkpoint_each", took.memory_mib, "MiB", at_most=500)
    yield figure(f"audit_of_{options.events}_events_with_a_checkpoint_each", options.events / took.seconds, "events/s")


def audit_of(events: int, every: int) -> Took:
    """Of a history of so many events, with a checkpoint every so many."""
    with tempfile.TemporaryDirectory(prefix="reserve-bench-") as temporary:
        folder = Path(temporary)
        (folder / "token").write_text("the files are anybody's")
        key = write_history(folder, events, every)
        with files_served(folder) as url:
            asked = ("--integrity", "--url", url, "--token-file", str(folder / "token"), "--key", key, "--json")
            return _took((sys.executable, "-m", "reserve", "audit", "verify", *asked))


def write_history(folder: Path, events: int, every: int) -> str:
    """As inventory and the ledger would answer with it. Gives the log's verifier key."""
    seed_key(folder)
    key, signer = open_key(folder)
    names = [f"bench-{shard}" for shard in range(SHARDS)]
    sources = [(f"stockpile/{name}", events_of(chain(stocked(name, 10), draws(name, 10)))) for name in names]
    chains = [Chain(shard, 0, GENESIS, {}) for shard in range(SHARDS)]
    pages = [_Pages(folder, "inventory", shard) for shard in range(SHARDS)]
    log, signed, tree, bundle, note = Chain(0, 0, GENESIS, {}), _Pages(folder, "ledger", 0), Tree(), [], ""
    for index in range(events):
        shard = index % SHARDS
        stream, coming = sources[shard]
        record = chains[shard].record(stream, next(coming))
        pages[shard].add(record)
        leaf = leaf_data(record.salt, str(record.place("inventory")), record.event_hash)
        tree.add(leaf)
        bundle.append(leaf)
        if len(bundle) == TILE_WIDTH or tree.size == events:
            path = f"ledger/v1/{tile_at(tree.size, 0, index // TILE_WIDTH).path}".replace("tile/0/", "tile/entries/")
            write_file(file_of(folder, path), encode_bundle(bundle))
            bundle.clear()
        if tree.size % every == 0 or tree.size == events:
            note = sign_checkpoint(Checkpoint(key.name, TreeHead(tree.size, bytes.fromhex(tree.root))), signer)
            covers = {f"inventory/{each.shard}": each.position for each in chains if each.position}
            signed.add(log.record("log/main", CheckpointSigned(size=tree.size, root=tree.root, note=note, covers=covers)))
    write_file(file_of(folder, "ledger/v1/checkpoint"), note.encode())
    write_file(file_of(folder, "ledger/v1/histories"), msgspec.json.encode({"data": [LogOfHistory(FIRST, str(key))]}))
    for each in (*pages, signed):
        each.end()
    for service, lines in {"inventory": chains, "ledger": [log], "allocation": [], "loans": []}.items():
        heads = {line.shard: {"position": line.position} for line in lines}
        write_file(file_of(folder, f"{service}/v1/journal/heads"), msgspec.json.encode(heads))
    return str(key)


class _Pages:
    """A shard's journal, as its feed gives it."""

    def __init__(self, folder: Path, service: str, shard: int) -> None:
        self._folder, self._service, self._shard = folder, service, shard
        self._after, self._previous = 0, GENESIS
        self._records: list[Record] = []

    def add(self, record: Record) -> None:
        self._records.append(record)
        if len(self._records) == FEED_LIMIT:
            self.end()

    def end(self) -> None:
        """Writes what is there; the last page of all may have nothing."""
        query = f"shard={self._shard}&after={self._after}&limit={FEED_LIMIT}"
        feed = to_feed(self._records, self._previous, FEED_LIMIT)
        write_file(file_of(self._folder, f"{self._service}/v1/journal", query), msgspec.json.encode(feed))
        if self._records:
            self._after, self._previous = self._records[-1].position, self._records[-1].chain_hash
            self._records.clear()


def write_file(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


@contextmanager
def files_served(folder: Path) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-m", "bench.files", str(folder)], cwd=Path(__file__).parents[1], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


def _took(command: tuple[str, ...]) -> Took:
    began, before_s, most = time.monotonic(), children_cpu_s(), 0
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.DEVNULL)
    while True:
        try:
            process.wait(LOOK_EVERY_S)
            break
        except subprocess.TimeoutExpired:
            most = max(most, sum(map(memory_bytes, family(process.pid))))
    if process.returncode != SEEN_BY_NOBODY:
        raise RuntimeError(f"the audit ended with {process.returncode}: it does not hold")
    return Took(time.monotonic() - began, children_cpu_s() - before_s, most / MIB)


def children_cpu_s() -> float:
    """Of those that have ended: the server still runs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
