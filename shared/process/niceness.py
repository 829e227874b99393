"""Niceness: a process whose work can wait lets the others on its machine go first."""

import os
from contextlib import suppress
from pathlib import Path


def stand_back(by: int) -> None:
    """For a process that leads a session: Linux may set sessions apart by a niceness of their own, beside their processes'."""
    os.nice(by)
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(by))
