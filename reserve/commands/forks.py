"""Forks: what proves that the log's key signed two histories, written down for others, and read by them (`reserve audit fork`)."""

import time
from pathlib import Path

import msgspec
import typer

from reserve.commands.failure import CHECK_FAILED, fail
from shared.proofs.checkpoint import TreeHead
from shared.proofs.fork import ForkProof, NoFork, prove_fork
from shared.proofs.signed_note import VerifierKey


def write_fork(fork: ForkProof, beside: Path) -> None:
    """A new file, never over another."""
    file = beside.with_name(f"{beside.name}.fork-{time.strftime('%Y%m%dT%H%M%S')}.json")
    file.write_bytes(msgspec.json.encode(fork))
    typer.echo(f"the log's key has signed two histories: {file} proves it to anyone (`reserve audit fork`)", err=True)


def read_fork(file: Path, pinned: VerifierKey) -> tuple[TreeHead, TreeHead]:
    """The two trees that the file proves. Ends the command, exit code 1, if it proves none."""
    try:
        return prove_fork(msgspec.json.decode(file.read_bytes(), type=ForkProof), [pinned])
    except OSError as error:
        fail(f"FILE: {file}: {error.strerror}")
    except (msgspec.MsgspecError, NoFork) as error:
        fail(f"{file} proves no fork: {error}", CHECK_FAILED)
