"""`reserve audit export`: a bundle of a deployment's whole history; and a bundle as what `reserve audit verify` is made from."""

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reserve.audit.evidence import Unreadable
from reserve.audit.live import UNANSWERED, LiveEvidence
from reserve.bundle.evidence import BundleEvidence
from reserve.bundle.export import NotExported, export
from reserve.bundle.layout import BadBundle, Manifest, checked, manifest_hash
from reserve.client import Client
from reserve.commands.failure import fail, why
from shared.proofs.signed_note import NoteMalformed


class Exported(msgspec.Struct, frozen=True):
    """`manifest_sha256`: by which the bundle is known: whoever hands it over says it by another way. `documents_missing`: that events name,
    and that were not to be had."""

    origin: str
    leaves: int
    events: int
    files: int
    bytes: int
    documents_missing: int
    manifest_sha256: str


def export_into(folder: Path, client: AbstractAsyncContextManager[Client], policy: Path | None = None) -> Exported:
    """Ends the command with exit code 2 where there is no bundle: what was finished of it is kept, and gone on from at the next try."""
    try:
        pinned = policy.read_bytes() if policy is not None and policy.is_file() else None
        manifest, missing = asyncio.run(_export(folder, client, pinned))
    except (NotExported, Unreadable) as error:
        fail(f"DIR: {error}")
    except OSError as error:
        fail(f"DIR: {error.filename or folder}: {error.strerror}")
    except (*UNANSWERED, msgspec.MsgspecError, NoteMalformed) as error:
        fail(f"the export could not be finished: {why(error)} (the same command goes on from what is there)")
    return Exported(
        origin=manifest.origin,
        leaves=manifest.size,
        events=sum(manifest.heads.values()),
        files=len(manifest.files),
        bytes=sum(file.bytes for file in manifest.files),
        documents_missing=len(missing),
        manifest_sha256=manifest_hash(folder),
    )


def opened(folder: Path) -> BundleEvidence:
    """A bundle that has what its manifest says. Ends the command with exit code 2 for any other."""
    try:
        checked(folder)
        return BundleEvidence(folder)
    except BadBundle as error:
        fail(f"BUNDLE: {error}")
    except OSError as error:
        fail(f"BUNDLE: {error.filename or folder}: {error.strerror}")


def read_from[Found](reading: Coroutine[Any, Any, Found]) -> Found:
    """What is read out of a bundle that was `opened`. Ends the command with exit code 2 where it cannot be."""
    try:
        return asyncio.run(reading)
    except Unreadable as error:
        fail(f"BUNDLE: {error}")
    except RecursionError:
        fail("BUNDLE: something in it is nested too deeply to be read")


async def _export(folder: Path, client: AbstractAsyncContextManager[Client], pinned: bytes | None) -> tuple[Manifest, list[str]]:
    columns = (TextColumn("exporting"), BarColumn(), MofNCompleteColumn(), TextColumn("rows"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        bar = shown.add_task("export", total=None)
        missing: list[str] = []
        async with client as caller:
            evidence = LiveEvidence(caller)
            told = partial(shown.update, bar)
            manifest = await export(evidence, folder, pinned, lambda done, total: told(completed=done, total=total), missing.extend)
        return manifest, missing
