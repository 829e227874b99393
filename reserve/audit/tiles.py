"""Tiles: every file of a log's tiles, held against the leaves that the ledger has entered. C2SP tlog-tiles: bundles of 256 leaves, tiles of
256 hashes, and a narrower tile is the beginning of a wider one.
"""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from hashlib import sha256
from itertools import batched
from pathlib import Path

from reserve.audit.report import Check, Findings

WIDTH = 256
_PATH = re.compile(r"(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]{1,3}))?")

type Files = dict[tuple[str, int], list[tuple[int, Path]]]  # (level, index) -> (width, file) of each


class Tiles:
    """The files of a folder, as they are when it is made. Whoever reads the leaves afterwards has all that they are of."""

    def __init__(self, folder: Path) -> None:
        self._files: Files = {}
        # Twice: a narrow one may go before it is listed, and the full one, which came before that, where the listing has passed already.
        listed = {file for _ in range(2) for file in (folder / "tile").rglob("*")}
        for file in sorted(listed):
            match = _PATH.fullmatch(file.relative_to(folder / "tile").as_posix())
            if match is not None and not file.is_dir():
                level, index, width = match.groups()
                number = int(index.replace("/", "").replace("x", ""))
                self._files.setdefault((level, number), []).append((int(width or WIDTH), file))

    async def look(self, findings: Findings, leaves: AsyncIterator[Sequence[bytes]], *, signed: int, goes_on: bool = True) -> None:
        """`leaves`: all that there are, 256 at a time. Of the first ones, which are signed, there has to be every tile. Of a log that does
        not go on, there may be tiles of leaves that are lost."""
        look = _Look(findings, self._files, goes_on)
        roots: list[bytes] = []
        index = 0
        async for some in leaves:
            look.at("entries", index, [len(leaf).to_bytes(2) + leaf for leaf in some], signed)
            roots += look.of_hashes(0, index, [sha256(b"\x00" + leaf).digest() for leaf in some], signed)
            index += 1
        level, below = 1, signed // WIDTH
        while roots:
            above: list[bytes] = []
            for index, some in enumerate(batched(roots, WIDTH)):
                above += look.of_hashes(level, index, some, below)
            roots, level, below = above, level + 1, below // WIDTH
        if goes_on:
            for there in self._files.values():
                for _, file in there:
                    findings.look(Check.TILES, False, str(file), "is of leaves that the ledger has no entries of")


class _Look:
    def __init__(self, findings: Findings, files: Files, goes_on: bool) -> None:
        self._findings = findings
        self._files = files
        self._goes_on = goes_on

    def of_hashes(self, level: int, index: int, hashes: Sequence[bytes], signed: int) -> list[bytes]:
        """Gives its root, if the tile is full."""
        self.at(str(level), index, hashes, signed)
        return [_root(hashes)] if len(hashes) == WIDTH else []

    def at(self, level: str, index: int, parts: Sequence[bytes], signed: int) -> None:
        """`parts`: its hashes, or entries. `signed`: how many of this level are."""
        widest, look = 0, self._findings.look
        for width, file in self._files.pop((level, index), ()):
            try:
                data, own = _read(file)
            except OSError as error:
                look(Check.TILES, False, str(file), f"cannot be read: {error.strerror}")
                continue
            expected = b"".join(parts[:width])
            fine = data == expected if own else data.startswith(expected)
            if width > len(parts):
                fine = not self._goes_on and data.startswith(b"".join(parts))
            if look(Check.TILES, fine, str(file), "is not what the leaves give"):
                widest = max(widest, width)
        needed = min(WIDTH, signed - index * WIDTH)
        look(Check.TILES, widest >= needed, f"tile/{level}/{index}", f"no file has the first {needed}, which are signed")


def _read(file: Path) -> tuple[bytes, bool]:
    """And whether they are the file's own: a narrow one may have gone, since the full one has come, which begins with it."""
    try:
        return file.read_bytes(), True
    except FileNotFoundError:
        full = file.parent.with_suffix("")
        return (full.read_bytes(), False) if full.is_file() else (b"", True)


def _root(hashes: Sequence[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [sha256(b"\x01" + left + right).digest() for left, right in _pairs(hashes)]
    return hashes[0]


def _pairs(hashes: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(hashes[::2], hashes[1::2], strict=True)
