"""Files and folders that hold this deployment's secrets and state: nobody but their owner can look into them."""

import os
from hashlib import file_digest
from pathlib import Path


def private_folder(folder: Path) -> Path:
    """The folder, made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step: a reader, also one after a crash, sees the old content or the new."""
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def cache_folder() -> Path:
    """What can be fetched again, for all checkouts of this user: RESERVE_CACHE, or ~/.cache/reserve."""
    return Path(os.environ.get("RESERVE_CACHE") or Path.home() / ".cache" / "reserve")


def sha256_of(file: Path) -> str:
    """Hex, in memory that does not grow with the file."""
    with file.open("rb") as content:
        return file_digest(content, "sha256").hexdigest()
