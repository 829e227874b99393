"""A file of pinned keys, as a person writes it: on each line whose key it is, and its fingerprint."""

import re
from pathlib import Path

from reserve.audit.pinned_keys import Pins
from reserve.commands.failure import fail


def pinned_keys(option: str, file: Path | None) -> Pins | None:
    """What is pinned in it. A fingerprint may be written in groups, and in capitals; what follows a # says nothing to us. Ends the command
    where the file is none, exit code 2."""
    if file is None:
        return None
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        fail(f"{option}: {file}: {error.strerror}")
    except UnicodeDecodeError:
        fail(f"{option}: {file}: it is no text (accepted: UTF-8)")
    pinned: dict[str, str] = {}  # fingerprint -> whose
    for number, line in enumerate(text.splitlines(), 1):
        who, *groups = line.partition("#")[0].split() or [""]
        fingerprint = "".join(groups).lower()
        if not who:
            continue
        if not re.fullmatch("[0-9a-f]{64}", fingerprint):
            accepted = "whose key it is, and its fingerprint, 64 hex digits: JP 34750f98..."
            fail(f"{option}: {file}, line {number}: {fingerprint or 'nothing'!r} is no fingerprint (accepted: {accepted})")
        if pinned.setdefault(fingerprint, who) != who:
            fail(f"{option}: {file}, line {number}: this key is {pinned[fingerprint]}'s already, and a key is one's own")
    if not pinned:
        fail(f"{option}: {file} pins no key (accepted: a line for each: JP 34750f98...)")
    return frozenset((who, fingerprint) for fingerprint, who in pinned.items())
