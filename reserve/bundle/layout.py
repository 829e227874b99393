"""The layout of a bundle: which files it has, its manifest, and its rows, read with a limit to each thing that it could be too much of.

Nothing of a bundle is run or imported, no name of it is followed out of its folder, and no more of a file is unpacked than the manifest
says. What anybody wrote into it is found by the audit; here it is only whether it can be read as a bundle at all.
"""

import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from reserve.audit.evidence import Recorded, Unreadable
from reserve.audit.hashes import hashed_bytes
from shared.engines.private_files import sha256_of
from shared.journal.record import columns_of
from shared.proofs.checkpoint import parse_checkpoint
from shared.proofs.signed_note import parse_note

FORMAT, VERSION = "reserve.audit-bundle", 1
MANIFEST, MANIFEST_HASH = "manifest.json", "manifest.sha256"
CHECKPOINT, WITNESSED, POLICY = "log/checkpoint", "log/witnessed", "log/witnesses.policy"
HISTORIES, SHOWN, BALANCES = "log/histories.jsonl.gz", "log/shown.jsonl.gz", "books/balances.jsonl.gz"

# A part of a series is numbered from 1.
_PART = r"[0-9]{6}\.jsonl\.gz"
_NAME = re.compile(
    rf"log/(checkpoint|witnessed|witnesses\.policy|(histories|shown)\.jsonl\.gz|leaves/[1-9][0-9]{{0,3}}/{_PART})"
    rf"|books/(balances\.jsonl\.gz|entries/{_PART})|texts/[a-z]{{1,20}}\.jsonl\.gz"
    rf"|journals/[a-z]{{1,20}}/[0-9]{{1,4}}/{_PART}|documents/[a-z]{{1,20}}/[0-9a-f]{{64}}\.gz"
)
_LINE = re.compile(r"[a-z]{1,20}/(0|[1-9][0-9]{0,3})")
_MANIFEST_BYTES = 256 * 1024 * 1024
LINE_BYTES = 4 * 1024 * 1024  # of a row: an event's data are at most 64 KiB
WHOLE_BYTES = 64 * 1024 * 1024  # of a file that is read as a whole: a document, a note
LISTED_BYTES, LISTED_ROWS = 256 * 1024 * 1024, 2_000_000  # of a file whose rows are all held at once: balances
MOST_LOGS = 9_999  # histories, as the name of a leaf's file has room for
PAGE_ROWS, PAGE_BYTES = 1000, 16 * 1024 * 1024  # a page ends with the row that reaches either
_AT_ONCE = 64 * 1024


class BadBundle(Unreadable):
    """It cannot be read as a bundle. One line, for whoever handed it in."""


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`bytes`: of the file, of which `sha256` is the hash. `content_bytes`: unpacked. `rows`: lines of JSON; 0 where it has none."""

    name: str
    sha256: str
    bytes: int
    content_bytes: int
    rows: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`origin`: of the log that goes on; its first `size` leaves have `root`, as signed. `recorded`: what the ledger had entered of each
    source's shard; `heads`: where each journal ended."""

    format: str
    version: int
    origin: str
    size: int
    root: str
    recorded: dict[str, int]
    heads: dict[str, int]
    files: list[File]

    def series(self, name: str) -> list[File]:
        """Its parts, in their order."""
        return sorted((file for file in self.files if file.name.startswith(f"{name}/")), key=lambda file: file.name)

    def named(self, name: str) -> File | None:
        return next((file for file in self.files if file.name == name), None)


class _Said(msgspec.Struct, frozen=True):
    format: Any = None
    version: Any = None


class JournalRow(msgspec.Struct, frozen=True, gc=False):
    """A record. `hashed`: what its hash covers, verbatim: SHA-256(0x01 || salt || hashed)."""

    hashed: str
    salt: str
    event_hash: str
    chain_hash: str


_read_row = msgspec.json.Decoder(JournalRow).decode


def row_of(service: str, record: Recorded) -> bytes:
    """A record as a line. Raises BadBundle for one that would not read as the same."""
    try:
        row = msgspec.json.encode(JournalRow(hashed_bytes(record).decode(), record.salt, record.event_hash, record.chain_hash))
        if read_record(row) == record:
            return row
    except ValueError:
        pass
    raise BadBundle(f"{record.place(service)} is no event that could be written down: `reserve audit verify --live` says more of it")


def read_record(row: bytes) -> Recorded:
    """Raises ValueError."""
    said = _read_row(row)
    columns = columns_of(said.hashed)
    columns["data"] = bytes(columns["data"])
    return Recorded(**columns, salt=said.salt, event_hash=said.event_hash, chain_hash=said.chain_hash)


def read_manifest(folder: Path) -> Manifest:
    """Raises BadBundle for what is no manifest of this version."""
    file = folder / MANIFEST
    if folder.is_symlink() or not folder.is_dir():
        raise BadBundle(f"{folder} is no folder")
    if file.is_symlink() or not file.is_file():
        raise BadBundle(f"{folder} has no {MANIFEST}: it is no bundle, or was not finished")
    if file.stat().st_size > _MANIFEST_BYTES:
        raise BadBundle(f"{MANIFEST} has more than {_MANIFEST_BYTES} bytes")
    content = file.read_bytes()
    try:
        said = msgspec.json.decode(content, type=_Said)
        if (said.format, said.version) != (FORMAT, VERSION):
            raise BadBundle(f"{MANIFEST}: it is {said.format!r} in version {said.version!r} (accepted: {FORMAT!r} in version {VERSION})")
        manifest = msgspec.json.decode(content, type=Manifest)
    except RecursionError as error:
        raise BadBundle(f"{MANIFEST}: it is nested too deeply") from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise BadBundle(f"{MANIFEST}: {error}") from error
    for line in manifest.heads.keys() | manifest.recorded.keys():
        if _LINE.fullmatch(line) is None:
            raise BadBundle(f"{MANIFEST}: {line!r} is no shard of a service (accepted: inventory/0)")
    return manifest


def checked(folder: Path) -> Manifest:
    """The manifest of a bundle that has its files, all of them as they were written, and no others. Raises BadBundle."""
    manifest = read_manifest(folder)
    names = set[str]()
    for file in manifest.files:
        if _NAME.fullmatch(file.name) is None:
            raise BadBundle(f"{MANIFEST}: {file.name!r} is no file that a bundle has")
        if file.name in names:
            raise BadBundle(f"{MANIFEST}: {file.name} is in it twice")
        names.add(file.name)
    for name in (CHECKPOINT, HISTORIES, BALANCES):
        if name not in names:
            raise BadBundle(f"{MANIFEST}: {name} is missing")
    _without_gaps(names)
    for name in _found(folder):
        if name not in names and name not in (MANIFEST, MANIFEST_HASH):
            raise BadBundle(f"{name} is a file that the manifest does not name")
    for file in manifest.files:
        _check(folder, file)
    said = folder / MANIFEST_HASH
    if said.is_file() and not _says(said, manifest_hash(folder).encode()):
        raise BadBundle(f"{MANIFEST} is another one than {MANIFEST_HASH} says")
    _of_its_checkpoint(folder, manifest)
    return manifest


def manifest_hash(folder: Path) -> str:
    return sha256_of(folder / MANIFEST)


def name_of_document(service: str, sha256: str) -> str:
    return f"documents/{service}/{sha256}.gz"


def _says(file: Path, beginning: bytes) -> bool:
    """Whether the file begins so, however long it is."""
    with file.open("rb") as content:
        return content.read(len(beginning)) == beginning


def rows(folder: Path, file: File) -> Iterator[bytes]:
    """The lines of a file, in memory that does not grow with it. Raises BadBundle."""
    kept, count = b"", 0
    for chunk in _unpacked(folder, file):
        *lines, kept = (kept + chunk).split(b"\n")
        if len(kept) > LINE_BYTES:
            raise BadBundle(f"{file.name}: line {count + len(lines) + 1} has more than {LINE_BYTES} bytes")
        count += len(lines)
        if count > file.rows:
            raise BadBundle(f"{file.name}: it has more lines than the {file.rows} that the manifest says")
        yield from lines
    if kept:
        raise BadBundle(f"{file.name}: its last line does not end")
    if count != file.rows:
        raise BadBundle(f"{file.name}: it has {count} lines, and the manifest says {file.rows}")


def whole(folder: Path, file: File) -> bytes:
    """Raises BadBundle."""
    if file.content_bytes > WHOLE_BYTES:
        raise BadBundle(f"{file.name}: it has more than {WHOLE_BYTES} bytes")
    return b"".join(_unpacked(folder, file))


def listed[T](folder: Path, file: File, decode: Callable[[bytes], T], most: int = LISTED_ROWS) -> list[T]:
    """All rows of a file, at most so many. Raises BadBundle."""
    if file.rows > most or file.content_bytes > LISTED_BYTES:
        raise BadBundle(f"{file.name}: it has more than {most} lines, or {LISTED_BYTES} bytes")
    return [row for page in decoded(folder, [file], decode) for row in page]


def decoded[T](folder: Path, files: Sequence[File], decode: Callable[[bytes], T]) -> Iterator[list[T]]:
    """The rows of files, in pages. Raises BadBundle."""
    found: list[T] = []
    size = 0
    for file in files:
        for number, row in enumerate(rows(folder, file), 1):
            try:
                found.append(decode(row))
            except RecursionError as error:
                raise BadBundle(f"{file.name}: line {number} is nested too deeply") from error
            except ValueError as error:
                raise BadBundle(f"{file.name}: line {number}: {error}") from error
            size += len(row)
            if len(found) == PAGE_ROWS or size >= PAGE_BYTES:
                yield found
                found, size = [], 0
    if found:
        yield found


def _unpacked(folder: Path, file: File) -> Iterator[bytes]:
    """A file's content, piece by piece: as much as the manifest says, and no more."""
    unpack = zlib.decompressobj(wbits=31) if file.name.endswith(".gz") else None
    total = 0
    with (folder / file.name).open("rb") as source:
        while packed := source.read(_AT_ONCE):
            while packed:
                try:
                    chunk = packed if unpack is None else unpack.decompress(packed, _AT_ONCE)
                except zlib.error as error:
                    raise BadBundle(f"{file.name}: {error}") from error
                packed = b"" if unpack is None else unpack.unconsumed_tail
                if (total := total + len(chunk)) > file.content_bytes:
                    raise BadBundle(f"{file.name}: there is more in it than the {file.content_bytes} bytes that the manifest says")
                if chunk:
                    yield chunk
                if unpack is not None and unpack.eof:
                    packed = b""
            if unpack is not None and unpack.unused_data:
                raise BadBundle(f"{file.name}: something comes after its end")
    if (unpack is not None and not unpack.eof) or total != file.content_bytes:
        raise BadBundle(f"{file.name}: it ends after {total} bytes of {file.content_bytes}")


def _of_its_checkpoint(folder: Path, manifest: Manifest) -> None:
    """Whoever signed it: that is for the audit."""
    file = manifest.named(CHECKPOINT)
    assert file is not None, "it was looked for"
    try:
        found = parse_checkpoint(parse_note(whole(folder, file).decode()).text)
    except ValueError as error:
        raise BadBundle(f"{CHECKPOINT}: {error}") from error
    if (found.origin, found.head.size, found.head.root.hex()) != (manifest.origin, manifest.size, manifest.root):
        raise BadBundle(f"{MANIFEST} says another checkpoint than {CHECKPOINT}")


def _without_gaps(names: set[str]) -> None:
    for name in sorted(names):
        series, _, last = name.rpartition("/")
        number = last.partition(".")[0]
        if number.isdecimal() and len(number) == 6:
            before = f"{series}/{int(number) - 1:06}.jsonl.gz"
            if int(number) != 1 and before not in names:
                raise BadBundle(f"{MANIFEST}: {before} is missing")


def _found(folder: Path) -> Iterator[str]:
    """What is there, by its name below the folder."""
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(where, name)
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise BadBundle(f"{path.relative_to(folder)} is neither a file nor a folder")
        yield from (Path(where, name).relative_to(folder).as_posix() for name in files)


def _check(folder: Path, file: File) -> None:
    path = folder / file.name
    if not path.is_file():
        raise BadBundle(f"{file.name} is missing")
    if (size := path.stat().st_size) != file.bytes:
        raise BadBundle(f"{file.name} has {size} bytes, and the manifest says {file.bytes}")
    if sha256_of(path) != file.sha256:
        raise BadBundle(f"{file.name} is another file than the manifest says: its SHA-256 differs")
