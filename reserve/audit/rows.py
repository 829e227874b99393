"""Rows of one width, in a file that goes with the process: what an audit keeps of each checkpoint, though there be one for every event."""

import os
import tempfile
from collections.abc import Iterator
from struct import Struct
from typing import Any

_AT_ONCE = 4096  # rows that are read at once


class Rows:
    """`layout`: of a row, as `struct` writes it. Memory does not grow with them."""

    def __init__(self, layout: str) -> None:
        self._row = Struct(layout)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed with its last user
        self._count = self._written = 0

    def __len__(self) -> int:
        return self._count

    def append(self, *values: Any) -> None:
        self._file.write(self._row.pack(*values))
        self._count += 1

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if not 0 <= index < self._count:
            raise IndexError(index)
        return self._row.unpack(self._read(index, 1))

    def between(self, start: int, stop: int) -> Iterator[tuple[Any, ...]]:
        for first in range(start, stop, _AT_ONCE):
            yield from self._row.iter_unpack(self._read(first, min(_AT_ONCE, stop - first)))

    def _read(self, first: int, count: int) -> bytes:
        if self._written < self._count:
            self._file.flush()
            self._written = self._count
        return os.pread(self._file.fileno(), count * self._row.size, first * self._row.size)
