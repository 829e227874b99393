"""A small history as a running system that a bundle is taken from, and its bundle."""

import gzip
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from reserve.audit.evidence import LedgerEntry, Recorded
from reserve.bundle.export import export
from reserve.bundle.layout import MANIFEST, MANIFEST_HASH, Manifest, manifest_hash
from tests.stories.audit import Told


class Running[T: Told]:
    """`history`, as `LiveEvidence` gives it: from any place on. `falls_after`: pages until it hangs up."""

    def __init__(self, history: T, falls_after: int | None = None) -> None:
        self._history = history
        self._left = falls_after
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._history, name)

    async def witnessed(self) -> str | None:
        return None

    async def journal_after(self, service: str, shard: int, after: int) -> AsyncGenerator[Sequence[Recorded]]:
        self.asked.append(f"{service}/{shard} after {after}")
        async for page in self._history.journal(service, shard):
            if rows := [record for record in page if record.position > after]:
                self._take()
                yield rows

    async def leaves_from(self, start: int, size: int, history: int | None) -> AsyncGenerator[Sequence[bytes]]:
        seen = 0
        async for page in self._history.leaves(size, history):
            if rows := page[max(0, start - seen) :]:
                self._take()
                yield rows
            seen += len(page)

    async def entries_from(self, cursor: str | None) -> AsyncGenerator[tuple[Sequence[LedgerEntry], str | None]]:
        books = self._history.books
        for start in range(int(cursor or 0), len(books), 3):
            self._take()
            yield books[start : start + 3], str(start + 3) if start + 3 < len(books) else None

    def _take(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise ConnectionError("hung up")


async def bundle_of(history: Told, folder: Path) -> Manifest:
    return await export(Running(history), folder)  # type: ignore[arg-type]


def rewrite(bundle: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """A file of it is changed, and what the manifest says is made to fit."""
    file = bundle / name
    content = change(gzip.decompress(file.read_bytes()) if name.endswith(".gz") else file.read_bytes())
    file.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    fit(bundle, name, content)


def fit(bundle: Path, name: str, content: bytes) -> None:
    """The manifest is made to say of a file what it is now."""
    packed = (bundle / name).read_bytes()

    def said(manifest: dict[str, Any]) -> None:
        (file,) = (each for each in manifest["files"] if each["name"] == name)
        file |= {"sha256": sha256(packed).hexdigest(), "bytes": len(packed), "content_bytes": len(content)}
        file["rows"] = content.count(b"\n") if ".jsonl" in name else 0

    change_manifest(bundle, said)


def change_manifest(bundle: Path, change: Callable[[dict[str, Any]], None]) -> None:
    manifest = json.loads((bundle / MANIFEST).read_bytes())
    change(manifest)
    (bundle / MANIFEST).write_text(json.dumps(manifest))
    (bundle / MANIFEST_HASH).write_text(f"{manifest_hash(bundle)}  {MANIFEST}\n")
