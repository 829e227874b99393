"""Parked messages: what one person has put aside, and nobody has confirmed in time, is tried again. A line whose message fails again stands
still until that is taken, or somebody else has confirmed that it is parked."""

import asyncio
import secrets

import structlog

from shared.clock import day_of
from shared.delivery.sources import Unanswered
from shared.journal.protocol import LostLead, Unreachable
from shared.process.service import Kernel
from shared.terms.parking import KIND, STREAM, Parked, Parking, UnparkMessages
from shared.writer.commands import CommandFailed, Context, Overloaded, Unavailable

log = structlog.get_logger()

LOOK_SECONDS = 5.0


def parks(kernel: Kernel) -> bool:
    """Whether anything may be parked in this service."""
    return KIND in kernel.writer.deciders


async def parked_in(kernel: Kernel) -> Parked:
    state, _ = await kernel.writer.state(STREAM)
    assert isinstance(state, Parked)
    return state


async def try_again_what_lapsed(kernel: Kernel) -> None:
    """For as long as the service serves. Of several processes, the one that takes what arrives does it."""
    while parks(kernel):
        await asyncio.sleep(LOOK_SECONDS)
        if not kernel.inbox.leading:
            continue
        try:
            await _look(kernel)
        except (Unreachable, Unavailable, Overloaded, CommandFailed, LostLead, Unanswered) as error:
            log.info("parked_messages_not_looked_at", error=repr(error))


async def _look(kernel: Kernel) -> None:
    for parked in (await parked_in(kernel)).parkings.values():
        source, _, shard = parked.line.partition("/")
        if (source, int(shard)) not in kernel.inbox.lines:  # of a source that is taken no longer
            continue
        if not parked.due:
            await kernel.inbox.let_go(source, int(shard), parked.stream)
        elif (taken := await kernel.inbox.try_again(source, int(shard), parked.stream)) is not None:
            await _say(kernel, parked, taken)


async def _say(kernel: Kernel, parked: Parking, taken: int) -> None:
    """That they are taken."""
    by = f"service:{kernel.service.name}"
    log.info("messages_unparked", line=parked.line, stream=parked.stream, messages=taken)
    context = Context(
        command_id=secrets.token_bytes(32),  # a repeat finds nothing parked any more
        actor=by,
        correlation_id=secrets.token_hex(16),
        causation_id=parked.place,
        effective_on=day_of(kernel.clock.now(), kernel.settings.zone).isoformat(),
    )
    await kernel.writer.submit(STREAM, UnparkMessages(line=parked.line, stream=parked.stream, messages=taken, by=by), context)
