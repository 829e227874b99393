"""Writing: what a caller sent, as it is compared with what came before under its key, and what the writer refuses, as problems."""

from codecs import BOM_UTF8
from hashlib import sha256

import asyncpg
import msgspec
import structlog
from fastapi import Request

from shared.http.auth import caller_of
from shared.http.problems import Problem
from shared.journal.connection import UNREACHABLE
from shared.journal.record import canonical
from shared.journal.texts import COMMITMENT
from shared.writer.commands import (
    CommandFailed,
    CommandTooLarge,
    Context,
    FingerprintMismatch,
    Overloaded,
    TooManyWaiting,
    Unavailable,
    VersionMismatch,
)

log = structlog.get_logger()

KNOWN = (FingerprintMismatch, VersionMismatch, Overloaded, CommandFailed)  # of what the writer raises
AWAY = (Unavailable, asyncpg.InterfaceError, *UNREACHABLE)  # what says that nothing can be done now


def problem_of(error: Exception, context: Context) -> Problem:
    """One of the `KNOWN`, which a command with this context has met."""
    match error:
        case FingerprintMismatch():
            return key_reused("header:idempotency-key")
        case VersionMismatch():
            return Problem(
                "precondition_failed", f"it is at version {error.actual} now", field="header:if-match", accepted=f'"{error.actual}"'
            )
        case TooManyWaiting():
            return Problem("too_many_waiting", str(error), headers={"Retry-After": "1"})
        case Overloaded():
            return Problem("overloaded", "nothing has changed; send the same request again", headers={"Retry-After": "1"})
        case CommandTooLarge():
            return Problem("event_too_large", str(error), accepted="shorter texts, or fewer items")
        case _:
            request = context.causation_id.removeprefix("request:")
            return Problem("internal_error", f"the command failed and changed nothing; quote {request} when you report it")


def key_reused(field: str) -> Problem:
    """`field`: where the key stands."""
    return Problem("idempotency_key_reused", "the key was used with another body, or for another party", field=field, accepted="a new key")


def away(error: Exception, request: Request) -> Problem:
    """Of one of the kinds `AWAY`. Who operates the service reads what to do about it."""
    log.warning("unavailable", path=request.url.path, error=repr(error))
    detail = str(error) if isinstance(error, Unavailable) else "the database does not answer"
    if (caller := caller_of(request.scope)) is None or caller.outside:
        detail = "send the same request again; under the same Idempotency-Key it counts once"
    return Problem("unavailable", detail, headers={"Retry-After": "2"})


def input_of(body: bytes) -> bytes:
    """The caller's input without its spacing and the order of its members."""
    try:
        return canonical(msgspec.json.decode(body.removeprefix(BOM_UTF8))) if body else b""
    except msgspec.DecodeError:
        return body  # another media type


def fingerprint_of(found: bytes, field: str | None = None) -> bytes:
    """Of an input. Raises Problem `commitment_typed`. `field`: where it stands in what was sent."""
    if COMMITMENT.search(found.decode("latin-1")) is not None:  # it would be shown as the text that it belongs to
        raise Problem("commitment_typed", "the body has a commitment in the place of a text", field=field, accepted="the text itself")
    return sha256(found).digest()
