"""A large round is worked out by another process, which stores the decision's documents before the book is asked."""

import copy
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from services.allocation.background.decision_process import Worked
from services.allocation.background.working_out import SMALL, DecisionProcess, work_out
from services.allocation.domain.book.rounds import ProposeRound
from services.allocation.domain.decisions.check import recompute
from services.allocation.domain.decisions.decision import read_file
from services.allocation.domain.decisions.sealed import decision_hash
from services.allocation.events import RoundProposed
from services.allocation.main import SERVICE as ALLOCATION
from shared.engines.engines import Engines
from shared.journal.postgres import read_document
from shared.process.service import Kernel
from shared.writer.commands import Unavailable
from tests.kernel.stage import Running, a_stage, free_port
from tests.stories.book import (
    ANTIMONY,
    JP,
    OPERATOR,
    ROUND,
    TODAY,
    UNIT_G,
    Story,
    a_book,
    accept,
    open_round,
    stock_around,
    submit,
    surroundings,
)

AROUND = surroundings(lots=100)


@pytest.fixture(scope="module")
async def allocation(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with a_stage(servers, tmp_path_factory.mktemp("working-out")) as stage:
        service = msgspec.structs.replace(ALLOCATION, name=stage.name("allocation"), subscriptions=())
        async with stage.serving(service) as running:
            yield running


def a_large_round() -> Story:
    names = [f"{place:03}" for place in range(SMALL + 1)]
    story = a_book(*(command for name in names for command in (submit(name, JP, 1), accept(name, 1))))
    return story.given(open_round(*names))


def proposal(**changes: object) -> ProposeRound:
    command = ProposeRound(round=ROUND, supply_g=50 * UNIT_G, by=OPERATOR, on=TODAY, surroundings=AROUND, proposed=None)
    return msgspec.structs.replace(command, **changes)


async def worked_out(kernel: Kernel, story: Story, command: ProposeRound) -> Worked | None:
    return await work_out(kernel, command, ANTIMONY, story.state, stock_around(AROUND, {UNIT_G: 100}))


async def documents_kept(kernel: Kernel) -> int:
    return int(await kernel.pool.fetchval("SELECT count(*) FROM documents"))


async def test_the_documents_of_a_large_round_are_stored_before_the_book_is_asked(allocation: Running):
    story = a_large_round()
    worked = await worked_out(allocation.kernel, story, proposal())
    assert worked is not None
    assert worked.documents == ()
    proposed = worked.proposed
    async with allocation.kernel.pool.acquire() as connection:
        kept = [await read_document(connection, name) for name in (proposed.decision, proposed.file, proposed.release_order)]
    assert [None if document is None else document.name for document in kept] == [
        proposed.decision,
        proposed.file,
        proposed.release_order,
    ]
    assert kept[1] is not None
    file = read_file(kept[1].content)
    assert (recompute(file), decision_hash(file)) == ([], proposed.decision)
    assert [(line.claimant.request, line.award_g) for line in worked.lines] == [
        (line.content.claimant.request, line.content.award_g) for line in file.lines
    ]
    [event] = story.when(proposal(proposed=proposed)).events
    assert isinstance(event, RoundProposed)
    assert (event.awards, event.file) == (50, proposed.file)


async def test_the_process_ends_with_its_service(servers: Engines, tmp_path: Path):
    async with a_stage(servers, tmp_path) as stage:
        service = msgspec.structs.replace(ALLOCATION, name=stage.name("allocation"), subscriptions=())
        async with stage.serving(service) as running:
            assert await worked_out(running.kernel, a_large_round(), proposal()) is not None
            process = running.kernel.part(DecisionProcess).process
            assert process is not None and process.poll() is None
        assert process.poll() is not None


async def test_a_decision_that_is_worked_out_twice_keeps_what_both_name(allocation: Running):
    """What they award is one document; their salts are their own."""
    story = a_large_round()
    first, second = [await worked_out(allocation.kernel, story, proposal()) for _ in range(2)]
    assert first is not None and second is not None
    assert (first.proposed.release_order, first.proposed.file != second.proposed.file) == (second.proposed.release_order, True)


async def test_for_a_proposal_that_the_book_refuses_nothing_is_worked_out_or_stored(allocation: Running):
    story = a_large_round()
    before = await documents_kept(allocation.kernel)
    late, without_agreement = proposal(on=TODAY + timedelta(days=365)), proposal(surroundings=surroundings(terms={}))
    for refused in (late, without_agreement, proposal(supply_g=101 * UNIT_G)):
        assert await worked_out(allocation.kernel, story, refused) is None
    assert await documents_kept(allocation.kernel) == before


async def test_where_the_documents_cannot_be_stored_the_proposal_may_be_tried_again(allocation: Running):
    elsewhere = copy.copy(allocation.kernel)
    elsewhere.settings = elsewhere.settings.model_copy(update={"database_url": f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"})
    with pytest.raises(Unavailable):
        await worked_out(elsewhere, a_large_round(), proposal())
