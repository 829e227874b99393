"""`reserve witness`: a partner's own witness of a log."""

import time
from pathlib import Path

import uvicorn

from reserve.commands.failure import fail
from reserve.commands.receipt import log_key
from reserve.witness.app import create_app
from reserve.witness.keys import make_keys, open_keys
from reserve.witness.witness import Witness
from services.ledger.signers import KeyUnsafe
from shared.proofs.signed_note import NoteMalformed, NoteUnverified, VerifierKey


def new_witness(folder: Path, name: str) -> tuple[str, ...]:
    """What others pin."""
    try:
        return make_keys(folder, name)
    except FileExistsError as error:
        fail(f"DIR: {error}")
    except NoteMalformed as error:
        fail(f"--name: {error} (accepted: such as witness.example.jp/reserve)")


def serve(folder: Path, logs: list[str], host: str, port: int) -> None:
    """Until it is ended. `logs`: their verifier keys, as pinned."""
    trusted: dict[str, list[VerifierKey]] = {}
    for text in logs:
        key = log_key(text, folder, "--log")
        trusted.setdefault(key.name, []).append(key)
    try:
        witness = Witness(folder / "seen", open_keys(folder), trusted, time.time)
    except KeyUnsafe as error:
        fail(f"DIR: {error}")
    except BlockingIOError:
        fail(f"DIR: another witness runs on {folder}")
    except (NoteMalformed, NoteUnverified) as error:
        fail(f"DIR: what {folder} says that was cosigned is not of the log that --log names: {error}")
    uvicorn.run(create_app(witness), host=host, port=port, log_level="warning")
