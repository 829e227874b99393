"""Where logs go: a log that cannot be written, since the disk is full, is no reason to fail."""

from contextlib import suppress
from typing import TextIO, cast

import structlog


class _Unfailing:
    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        with suppress(OSError):
            return self._file.write(text)
        return 0

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()


def lines_to(file: TextIO) -> structlog.WriteLoggerFactory:
    """A line an event, for `structlog.configure`. What cannot be written is lost."""
    return structlog.WriteLoggerFactory(cast(TextIO, _Unfailing(file)))
