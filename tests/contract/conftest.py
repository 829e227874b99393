"""What the contract tests of several files share."""

from collections.abc import AsyncIterator
from datetime import date

import httpx
import pytest

from shared.engines.engines import Engines
from shared.process.service import Kernel
from tests.contract.allocation_stage import Reserve, a_reserve
from tests.contract.ledger_stage import LedgerStage, a_ledger_stage
from tests.stories.stockpile import a_round, award, lot, register, right


@pytest.fixture(scope="session")
async def stage(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LedgerStage]:
    """Inventory serves and has stock, releases and a right; whoever needs the ledger starts it."""
    async with a_ledger_stage(servers, tmp_path_factory.mktemp("ledger")) as stage:
        releases = a_round(award("a", "JP", 6), award("b", "US", 3), expires_on=date(2999, 1, 1))  # the real clock's day lapses none
        await stage.happen(register(), lot(units=20), right(units=4), releases)
        yield stage


@pytest.fixture(scope="module")
async def reserve(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reserve]:
    """Allocation beside inventory, anew for each file of tests."""
    async with a_reserve(servers, tmp_path_factory.mktemp("allocation")) as reserve:
        yield reserve


@pytest.fixture
async def europe(stage: LedgerStage, ledger: Kernel) -> AsyncIterator[httpx.AsyncClient]:
    """Asks the ledger that the file of tests has started."""
    async with stage.client("partner-eu") as http:
        yield http


@pytest.fixture
async def auditor(stage: LedgerStage, ledger: Kernel) -> AsyncIterator[httpx.AsyncClient]:
    async with stage.client("auditor-1") as http:
        yield http
