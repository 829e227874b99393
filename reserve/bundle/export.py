"""Export: a bundle is taken from a running system, which goes on meanwhile.

The checkpoint is asked for first, then what may be erased or changes, then where everything ends: what is written goes no further, so it is
one cut however long it takes. A file is written under another name and gets its own when it is whole; what was finished before a fall is
kept, and gone on from.
"""

import asyncio
import os
import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import msgspec

from reserve.audit.evidence import JOURNALED, SOURCES, Evidence, LedgerEntry, LogOfHistory, Recorded
from reserve.audit.tables import DOCUMENTS_OF, naming_documents
from reserve.bundle.documents import documents_named
from reserve.bundle.evidence import ShownOf
from reserve.bundle.layout import (
    BALANCES,
    CHECKPOINT,
    FORMAT,
    HISTORIES,
    MANIFEST,
    MANIFEST_HASH,
    POLICY,
    SHOWN,
    VERSION,
    WITNESSED,
    File,
    Manifest,
    manifest_hash,
    name_of_document,
    row_of,
)
from reserve.bundle.progress import PROGRESS, Done, kept
from shared.engines.private_files import private_folder, write_private
from shared.proofs.checkpoint import TreeHead, parse_checkpoint
from shared.proofs.history import NoCommitment, read_commitment
from shared.proofs.signed_note import NoteMalformed, parse_note

UNFINISHED = "unfinished.json"
PART_ROWS = 100_000  # of a series: a part ends with the page that reaches so many
_SIDE_BY_SIDE = 4  # series that are read at a time
_SERIES = ("journals/", "books/entries/", "log/leaves/")
_LEVEL = 1  # of compression: hashes do not get smaller, and the rest does at once

type Progressed = Callable[[int, int], None]  # (rows that are written, of so many)


class NotExported(Exception):
    """Why there is no bundle. One line, for who asked for it."""


class Source(Evidence, Protocol):
    """Evidence that can be read from a place on."""

    async def witnessed(self) -> str | None:
        """The last checkpoint with the cosignatures of enough witnesses; None: there is none."""
        ...

    def journal_after(self, service: str, shard: int, after: int) -> AsyncGenerator[Sequence[Recorded]]: ...

    def leaves_from(self, start: int, size: int, history: int | None) -> AsyncGenerator[Sequence[bytes]]: ...

    def entries_from(self, cursor: str | None) -> AsyncGenerator[tuple[Sequence[LedgerEntry], str | None]]:
        """Pages, each with the cursor of the next one."""
        ...


class _Plan(msgspec.Struct, frozen=True):
    """What the bundle will hold, from before its series are read."""

    origin: str
    note: str
    size: int
    root: str
    recorded: dict[str, int]
    heads: dict[str, int]
    logs: list[tuple[LogOfHistory, int]]  # with how many of its leaves

    @property
    def ends(self) -> dict[str, int]:
        """How far each journal is read: also what is entered of it beyond the end that it says."""
        return {line: max(head, self.recorded.get(line, 0)) for line, head in self.heads.items()}

    @property
    def rows(self) -> int:
        return sum(self.ends.values()) + sum(self.recorded.values()) + sum(size for _, size in self.logs)


type _Pages = AsyncGenerator[tuple[Sequence[bytes], str | None]]  # lines, and where it goes on after them


async def export(
    source: Source,
    folder: Path,
    policy: bytes | None = None,
    progressed: Progressed = lambda _done, _of: None,
    lacks: Callable[[Sequence[str]], None] = lambda _names: None,
) -> Manifest:
    """`policy`: the deployment's own witness policy, where it is known. `lacks`: is told which documents that events name were not to be
    had. Raises NotExported, BadBundle, and what `source` raises."""
    exporting = _Export(source, _room(folder), progressed)
    manifest = await exporting.run(policy)
    lacks(exporting.missing)
    return manifest


def _room(folder: Path) -> Path:
    if (folder / MANIFEST).exists():
        raise NotExported(f"{folder} holds a bundle already")
    if folder.exists() and any(folder.iterdir()) and not (folder / PROGRESS).exists():
        raise NotExported(f"{folder} is not empty (accepted: a new folder, or one that an export was broken off in)")
    return private_folder(folder)


class _Export:
    def __init__(self, source: Source, folder: Path, progressed: Progressed) -> None:
        self._source = source
        self._folder = folder
        self._progressed = progressed
        self._done, self._lost, self._missing = kept(folder)
        self._turns = asyncio.Semaphore(_SIDE_BY_SIDE)
        self._rows = 0

    async def run(self, policy: bytes | None) -> Manifest:
        plan = await self._planned(policy)
        self._progressed(0, plan.rows)

        async def series(name: str, pages: Callable[[str | None], _Pages], rows: int) -> None:
            async with self._turns:
                await self._series(name, pages, rows, plan)

        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(series("books/entries", self._entries, sum(plan.recorded.values())))
                for line, upto in plan.ends.items():
                    tasks.create_task(series(f"journals/{line}", self._journal(line, upto), upto))
                for log, size in plan.logs:
                    at = None if log == plan.logs[-1][0] else log.history
                    tasks.create_task(series(f"log/leaves/{log.history}", self._leaves(size, at), size))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from several
        return self._finish(plan)

    @property
    def missing(self) -> list[str]:
        """The files of documents that were not to be had, and were not later either."""
        return sorted(self._missing - self._done.keys())

    # What is asked for first

    async def _planned(self, policy: bytes | None) -> _Plan:
        if (self._folder / UNFINISHED).exists():
            plan = msgspec.json.decode((self._folder / UNFINISHED).read_bytes(), type=_Plan)
            if [log.key for log, _ in plan.logs] != [log.key for log in await self._source.histories()]:
                raise NotExported(f"{self._folder}: it was begun of another system: {plan.origin}")
            await self._repair()
            return plan
        for name in self._done:
            (self._folder / name).unlink()
        self._done.clear()
        self._missing.clear()
        write_private(self._folder / PROGRESS, b"")
        note = await self._source.checkpoint()
        if note is None:
            raise NotExported("nothing is signed yet: there is no checkpoint that a bundle could be of")
        checkpoint = parse_checkpoint(parse_note(note).text)
        for service in SOURCES:
            await self._small(f"texts/{service}.jsonl.gz", list(await self._source.texts(service)))
        await self._small(BALANCES, await self._source.balances())
        recorded = dict(await self._source.recorded())
        histories = await self._source.histories()
        await self._small(HISTORIES, histories)
        logs, shown = await self._ended(histories)
        await self._small(SHOWN, shown)
        for name, content in ((CHECKPOINT, note), (WITNESSED, await self._source.witnessed())):
            if content is not None:
                await self._write(name, [content.encode()])
        if policy is not None:
            await self._write(POLICY, [policy])
        heads = {f"{service}/{shard}": head for service in JOURNALED for shard, head in (await self._source.heads(service)).items()}
        head = checkpoint.head
        plan = _Plan(checkpoint.origin, note, head.size, head.root.hex(), recorded, heads, [*logs, (histories[-1], head.size)])
        write_private(self._folder / UNFINISHED, msgspec.json.encode(plan))
        return plan

    async def _repair(self) -> None:
        """What was finished, and is not as it was. Parts of a series are read again by themselves."""
        for name in self._lost:
            kind, service, *_ = name.split("/")
            if kind == "documents":
                await self._keep_document(service, Path(name).stem)
            elif not name.startswith(_SERIES):
                raise NotExported(f"{self._folder}: {name} was changed since it was written (accepted: a new folder)")

    async def _ended(self, histories: Sequence[LogOfHistory]) -> tuple[list[tuple[LogOfHistory, int]], list[ShownOf]]:
        """Each log of a history before, as far as the next one has kept it; and what it shows of what is lost."""
        logs, shown = [], []
        for log, following in pairwise(histories):
            try:
                before = read_commitment((following.commitment or "").encode()).before
                known = None if before.checkpoint is None else parse_checkpoint(parse_note(before.checkpoint).text).head
            except (NoCommitment, NoteMalformed):
                logs.append((log, 0))
                continue
            logs.append((log, before.kept))
            shown += await self._shown(log, before.kept, known)
        return logs, shown

    async def _shown(self, log: LogOfHistory, kept: int, known: TreeHead | None) -> list[ShownOf]:
        if known is None or not 0 < kept < known.size:
            return []
        found = [await self._source.consistency(size, known.size, log.history) for size in {1, kept}]
        return [ShownOf(log.history, each) for each in found if each is not None]

    # What is read in pages

    def _journal(self, line: str, upto: int) -> Callable[[str | None], _Pages]:
        service, _, shard = line.partition("/")

        async def pages(then: str | None) -> _Pages:
            after = int(then or 0)
            async with aclosing(self._source.journal_after(service, int(shard), after)) as found:
                async for page in found:
                    records = [record for record in page if record.position <= upto]
                    await self._keep_documents(service, records)
                    after = records[-1].position if records else after
                    yield [row_of(service, record) for record in records], str(after)
                    if len(records) < len(page):
                        return

        return pages

    async def _entries(self, then: str | None) -> _Pages:
        async with aclosing(self._source.entries_from(then)) as found:
            async for page, cursor in found:
                yield [msgspec.json.encode(entry) for entry in page], cursor

    def _leaves(self, size: int, history: int | None) -> Callable[[str | None], _Pages]:
        async def pages(then: str | None) -> _Pages:
            start = int(then or 0)
            async with aclosing(self._source.leaves_from(start, size, history)) as found:
                async for page in found:
                    start += len(page)
                    yield [msgspec.json.encode(leaf.hex()) for leaf in page], str(start)

        return pages

    async def _keep_documents(self, service: str, records: Sequence[Recorded]) -> None:
        """What the events of a page name."""
        if service not in DOCUMENTS_OF:
            return
        kinds = naming_documents(service)
        for record in records:
            for sha in documents_named(service, record, kinds):
                if name_of_document(service, sha) not in self._done:
                    await self._keep_document(service, sha)

    async def _keep_document(self, service: str, sha: str) -> None:
        name = name_of_document(service, sha)
        if (content := await self._source.document(service, sha)) is not None:
            await self._write(name, [content])
        elif name not in self._missing:
            self._missing.add(name)
            self._progress(Done(File(name, "", 0, 0, 0), missing=True))

    # How files are written

    async def _series(self, name: str, pages: Callable[[str | None], _Pages], rows: int, plan: _Plan) -> None:
        """Its parts, from the first that is not finished."""
        number, then, written = 0, None, 0
        while (done := self._done.get(f"{name}/{number + 1:06}.jsonl.gz")) is not None:
            number, then, written = number + 1, done.then, written + done.file.rows
        self._say(written, plan)
        if written >= rows or (number and then is None):
            return
        part: _Part | None = None
        async with aclosing(pages(then)) as found:
            async for lines, following in found:
                if part is None:
                    number += 1
                    part = _Part(self._folder, f"{name}/{number:06}.jsonl.gz")
                await part.add(lines)
                written += len(lines)
                self._say(len(lines), plan)
                if part.rows >= PART_ROWS:
                    self._finished(part.end(), following)
                    part = None
                if written >= rows:
                    break
        if part is not None:
            self._finished(part.end(), None)

    async def _small(self, name: str, things: Sequence[msgspec.Struct]) -> None:
        await self._write(name, [msgspec.json.encode(each) + b"\n" for each in things], rows=len(things))

    async def _write(self, name: str, content: Sequence[bytes], rows: int = 0) -> None:
        part = _Part(self._folder, name)
        await part.write(b"".join(content), rows)
        self._finished(part.end(), None)

    def _finished(self, file: File, then: str | None) -> None:
        done = self._done[file.name] = Done(file, then)
        self._progress(done)

    def _progress(self, done: Done) -> None:
        with (self._folder / PROGRESS).open("ab") as progress:
            progress.write(msgspec.json.encode(done) + b"\n")
            progress.flush()
            os.fsync(progress.fileno())

    def _say(self, rows: int, plan: _Plan) -> None:
        self._rows += rows
        self._progressed(min(self._rows, plan.rows), plan.rows)

    def _finish(self, plan: _Plan) -> Manifest:
        files = sorted((done.file for done in self._done.values()), key=lambda file: file.name)
        manifest = Manifest(FORMAT, VERSION, plan.origin, plan.size, plan.root, plan.recorded, plan.heads, files)
        for left in self._folder.rglob("*.part"):
            left.unlink()  # of a try that fell
        write_private(self._folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
        write_private(self._folder / MANIFEST_HASH, f"{manifest_hash(self._folder)}  {MANIFEST}\n".encode())
        for name in (UNFINISHED, PROGRESS):
            (self._folder / name).unlink()
        return manifest


class _Part:
    """A file that is being written, under another name until it is whole."""

    def __init__(self, folder: Path, name: str) -> None:
        self._name = name
        self._path = folder / name
        private_folder(self._path.parent)
        self._file = self._path.with_name(f"{self._path.name}.part").open("wb")
        self._pack = zlib.compressobj(_LEVEL, wbits=31) if name.endswith(".gz") else None
        self._hash = sha256()
        self._bytes = self._content_bytes = self.rows = 0

    async def add(self, lines: Sequence[bytes]) -> None:
        await self.write(b"".join(line + b"\n" for line in lines), len(lines))

    async def write(self, content: bytes, rows: int) -> None:
        self.rows += rows
        self._content_bytes += len(content)
        packed = content if self._pack is None else await asyncio.to_thread(self._pack.compress, content)
        self._put(packed)

    def end(self) -> File:
        """Its name is its own from now on."""
        if self._pack is not None:
            self._put(self._pack.flush())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        Path(self._file.name).replace(self._path)
        return File(self._name, self._hash.hexdigest(), self._bytes, self._content_bytes, self.rows)

    def _put(self, packed: bytes) -> None:
        self._file.write(packed)
        self._hash.update(packed)
        self._bytes += len(packed)
