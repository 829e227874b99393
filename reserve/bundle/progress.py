"""Progress of an export: what is finished, a line each, so that one that fell is gone on with."""

import os
from pathlib import Path

import msgspec

from reserve.bundle.layout import File
from shared.engines.private_files import sha256_of

PROGRESS = "unfinished.jsonl"


class Done(msgspec.Struct, frozen=True):
    """A finished file. `then`: where its series goes on; `null`: nowhere. `missing`: a document that was not to be had."""

    file: File
    then: str | None = None
    missing: bool = False


def kept(folder: Path) -> tuple[dict[str, Done], list[str], set[str]]:
    """What was finished before a fall, and is as it was; the names of what is not; and of documents that were not to be had."""
    found: dict[str, Done] = {}
    lost: list[str] = []
    missing = set[str]()
    if not (folder / PROGRESS).exists():
        return found, lost, missing
    for line in _whole_lines(folder / PROGRESS):
        done = msgspec.json.decode(line, type=Done)
        if done.missing:
            missing.add(done.file.name)
            continue
        path = folder / done.file.name
        if path.is_file() and sha256_of(path) == done.file.sha256:
            found[done.file.name] = done
        elif done.file.name not in found:
            lost.append(done.file.name)
    return found, lost, missing


def _whole_lines(file: Path) -> list[bytes]:
    """What a fall has torn off at the end is cut away: what is written next would otherwise go on from it, in one line that is none."""
    content = file.read_bytes()
    *lines, torn = content.split(b"\n")
    if torn:
        os.truncate(file, len(content) - len(torn))
    return lines
