"""A bundle as evidence: what an audit reads over HTTP from a running system, out of a folder."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from reserve.audit.evidence import BalanceLine, LedgerEntry, LogOfHistory, ReadText, Recorded
from reserve.audit.hashes import Tree
from reserve.bundle.layout import (
    BALANCES,
    CHECKPOINT,
    HISTORIES,
    LISTED_ROWS,
    MOST_LOGS,
    SHOWN,
    BadBundle,
    Manifest,
    decoded,
    listed,
    name_of_document,
    read_manifest,
    read_record,
    whole,
)
from shared.proofs.checkpoint import TreeHead
from shared.proofs.fork import Consistency, consistency
from shared.proofs.merkle import consistency_proof, root_at

type _Node = tuple[int, int]  # (height, index)


class ShownOf(msgspec.Struct, frozen=True):
    """What a log of a history before has shown of leaves that are lost."""

    history: int
    shown: Consistency


class BundleEvidence:
    """`folder`: of a bundle that `checked` has found whole. Every read raises BadBundle where it cannot be read to its end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.manifest: Manifest = read_manifest(folder)
        self._files = {file.name: file for file in self.manifest.files}

    async def histories(self) -> Sequence[LogOfHistory]:
        if not (histories := self._all(HISTORIES, LogOfHistory, MOST_LOGS)):
            raise BadBundle(f"{HISTORIES}: no log is in it")
        return histories

    async def checkpoint(self) -> str | None:
        return self._whole(CHECKPOINT).decode(errors="replace")

    async def consistency(self, old_size: int, size: int, history: int | None = None) -> Consistency | None:
        logs = await self.histories()
        number = history or logs[-1].history
        for each in self._all(SHOWN, ShownOf, 2 * MOST_LOGS):
            if (each.history, each.shown.old_size, each.shown.size) == (number, old_size, size):
                return each.shown
        if not 0 < old_size <= size <= sum(file.rows for file in self.manifest.series(f"log/leaves/{number}")):
            return None
        wanted = set[_Node]()

        def note(height: int, index: int) -> bytes:
            wanted.add((height, index))
            return bytes(32)

        root_at(note, old_size)
        consistency_proof(note, old_size, size)
        nodes = _roots(self._leaves(number), wanted)

        def read(height: int, index: int) -> bytes:
            return nodes[height, index]

        return consistency(TreeHead(old_size, root_at(read, old_size)), size, consistency_proof(read, old_size, size))

    async def balances(self) -> Sequence[BalanceLine]:
        return self._all(BALANCES, BalanceLine)

    async def recorded(self) -> Mapping[str, int]:
        return self.manifest.recorded

    async def heads(self, service: str) -> Mapping[int, int]:
        heads = ((line.partition("/"), head) for line, head in self.manifest.heads.items())
        return {int(shard): head for (name, _, shard), head in heads if name == service}

    async def journal(self, service: str, shard: int) -> AsyncIterator[Sequence[Recorded]]:
        for page in decoded(self._folder, self.manifest.series(f"journals/{service}/{shard}"), read_record):
            yield page

    async def leaves(self, size: int, history: int | None = None) -> AsyncIterator[Sequence[bytes]]:
        number = history or (await self.histories())[-1].history
        left = size
        for page in self._leaves(number):
            if left <= 0:
                return
            yield page[:left]
            left -= len(page)

    async def entries(self) -> AsyncIterator[Sequence[LedgerEntry]]:
        decode = msgspec.json.Decoder(LedgerEntry).decode
        for page in decoded(self._folder, self.manifest.series("books/entries"), decode):
            yield page

    async def texts(self, service: str) -> Iterable[ReadText]:
        """Each is decoded as it is looked at: what people typed may be more than there is memory for."""
        file = self._files.get(f"texts/{service}.jsonl.gz")
        decode = msgspec.json.Decoder(ReadText).decode
        return (text for page in decoded(self._folder, [] if file is None else [file], decode) for text in page)

    async def document(self, service: str, name: str) -> bytes | None:
        file = self._files.get(name_of_document(service, name))
        return None if file is None else whole(self._folder, file)

    def _leaves(self, history: int) -> Iterator[list[bytes]]:
        return decoded(self._folder, self.manifest.series(f"log/leaves/{history}"), _leaf)

    def _whole(self, name: str) -> bytes:
        if (file := self._files.get(name)) is None:
            raise BadBundle(f"{name} is missing")
        return whole(self._folder, file)

    def _all[T](self, name: str, kind: type[T], most: int = LISTED_ROWS) -> list[T]:
        file = self._files.get(name)
        decode = msgspec.json.Decoder(kind).decode
        return [] if file is None else listed(self._folder, file, decode, most)


def _leaf(row: bytes) -> bytes:
    return bytes.fromhex(msgspec.json.decode(row, type=str))


def _roots(pages: Iterator[list[bytes]], wanted: set[_Node]) -> dict[_Node, bytes]:
    """The roots of these complete subtrees, from the leaves in their order; memory does not grow with them."""
    beginning: defaultdict[int, list[_Node]] = defaultdict(list)
    for height, index in wanted:
        beginning[index << height].append((height, index))
    last = max(((index + 1) << height for height, index in wanted), default=0)
    growing: dict[_Node, Tree] = {}
    found: dict[_Node, bytes] = {}
    for number, leaf in enumerate(leaf for page in pages for leaf in page):
        if number == last:
            break
        for node in beginning.pop(number, ()):
            growing[node] = Tree()
        for node, tree in list(growing.items()):
            tree.add(leaf)
            if tree.size == 1 << node[0]:
                found[node] = bytes.fromhex(growing.pop(node).root)
    return found
