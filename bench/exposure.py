"""Exposure of 1,000 loans to 40 partners: read from a real PostgreSQL, added up with the limits on it, and written as JSON."""

import tempfile
import time
from collections.abc import AsyncGenerator
from datetime import date
from functools import reduce
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from bench.figures import Figure, Options, figure, percentile_ms
from bench.filled import database, server
from services.loans.api.facility.exposure import exposure_view
from services.loans.api.facility.positions import positions_of
from services.loans.domain.facility.exposure import Dimension
from services.loans.domain.facility.headroom import DECIDER, OpenFacility, RecordRate, ReserveHeadroom
from services.loans.domain.facility.state import Facility
from services.loans.events.facility import CommitmentId, FacilityId, Limit
from services.loans.main import SERVICE
from services.loans.tables.facility import CommitmentRow
from services.loans.tables.loan import LoanRow
from services.loans.tables.material import MaterialLoanRow
from shared.journal.decider import Refused
from shared.journal.texts import TypedText
from shared.process.app import read_engine

TODAY = date(2026, 1, 6)
CMF, LENDING = FacilityId("cmf"), FacilityId("lending")
LOANS, PARTNERS, PROJECTS = 1_000, 40, 60
ELEMENTS = ("Sb", "Ga", "Nd", "Dy", "Sc", "W")
DIMENSIONS: list[Dimension] = ["partner", "project", "element", "instrument", "borrower", "facility"]
REPEATS = 10


async def exposure(_options: Options) -> AsyncGenerator[Figure]:
    """The facilities are as the writer holds them, in memory; their states are not read again for each request."""
    facilities: dict[str, Facility] = {name: _facility(name, limit) for name, limit in ((CMF, "project/p0"), (LENDING, "partner/P0"))}
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as folder:
        async with server(Path(folder)) as address:
            engine = read_engine(await database(address, "exposure", SERVICE), SERVICE.name)
            await _fill(engine, facilities)
            taken: list[float] = []
            for by in ["partner", *DIMENSIONS * REPEATS]:
                began = time.perf_counter()
                async with AsyncSession(engine) as session:
                    seen = exposure_view(await positions_of(session, facilities, TODAY), facilities, by, TODAY)
                seen.model_dump_json()
                taken.append(time.perf_counter() - began)
            assert sum(sums.positions for sums in seen.totals.values()) == LOANS
            await engine.dispose()
    later = sorted(taken[1:])  # the first of a process makes its statements
    yield figure("exposure_of_1000_loans_to_40_partners_p50", percentile_ms(later, 0.5), "ms", at_most=100)
    yield figure("exposure_of_1000_loans_to_40_partners_p99", percentile_ms(later, 0.99), "ms")


async def _fill(engine: AsyncEngine, facilities: dict[str, Facility]) -> None:
    """Half of them money, half material."""
    async with AsyncSession(engine) as session:
        for number in range(LOANS):
            element = ELEMENTS[number % len(ELEMENTS)]
            row = _loan(number, element) if number % 2 else _material_loan(number, element)
            asset, amount = ("AUD", row.commitment_minor) if isinstance(row, LoanRow) else (f"contained/{element}", row.committed_g)
            facility = FacilityId(row.facility or "")
            keys = (f"element/{element}", f"project/p{number % PROJECTS}" if number % 2 else f"partner/P{number % PARTNERS}")
            reserve = ReserveHeadroom(facility=facility, commitment=CommitmentId(row.loan), asset=asset, amount=amount, keys=keys)
            facilities[facility] = _after(facilities[facility], reserve)
            held = CommitmentRow(facility=facility, commitment=row.loan, asset=asset, amount=amount, value_minor=0, keys=list(keys))
            session.add_all([row, held])
        await session.commit()


def _facility(name: FacilityId, limited: str) -> Facility:
    """With a limit for each project, or each partner."""
    dimension, _, first = limited.partition("/")
    count = PROJECTS if dimension == "project" else PARTNERS
    each = tuple(Limit(key=f"{dimension}/{first[0]}{number}", parent="total", limit_minor=10**12) for number in range(count))
    opened = _after(
        Facility(),
        OpenFacility(facility=name, currency="AUD", limits=(Limit(key="total", parent=None, limit_minor=10**14), *each), authority="Act"),
    )
    rates = (
        RecordRate(asset=f"contained/{element}", rate="12.5", quoted_on=TODAY, source=TypedText("bench"), on=TODAY) for element in ELEMENTS
    )
    return reduce(_after, rates, opened)


def _after(facility: Facility, command: Any) -> Facility:
    events = DECIDER.decide(command, facility)
    assert not isinstance(events, Refused), events
    return reduce(DECIDER.evolve, events, facility)


def _loan(number: int, element: str) -> LoanRow:
    figures = dict.fromkeys(("principal_minor", "interest_minor", "default_interest_minor", "fees_minor"), 1_000_000 + number)
    return LoanRow(
        loan=f"lon_{number:026}",
        status="committed",
        facility=CMF,
        borrower=f"b{number % PARTNERS}",
        project=f"p{number % PROJECTS}",
        currency="AUD",
        commitment_minor=100_000_000,
        undrawn_minor=1_000_000,
        terms={"elements": [element], "available_until": "2030-01-01", "security": "a charge over all assets " * 20},
        document="00" * 32,
        proposed_by="bench",
        reason=None,
        reference=None,
        figures=figures,
        principal_minor=1_000_000,
        overdue_minor=number,
        bucket="current",
        grade="BB",
        stage=1,
        provision_minor=10_000,
        seen=[],
        seen_subsequents=[],
        version=10,
    )


def _material_loan(number: int, element: str) -> MaterialLoanRow:
    return MaterialLoanRow(
        loan=f"mln_{number:026}",
        status="lent",
        partner=f"P{number % PARTNERS}",
        product="antimony-metal",
        award=f"awd_{number:026}",
        release=f"rel_{number:026}",
        decision="00" * 32,
        mass_g=5_000_000,
        undrawn_g=0,
        return_on=TODAY,
        draw_by=TODAY,
        document=None,
        proposed_by=None,
        terms={"security": {"kind": "letter_of_credit", "haircut": "1/10", "required_cover": "1.10"}},
        facility=LENDING,
        element=element,
        due_on=TODAY,
        committed_g=5_000_000,
        lent_g=5_000_000,
        out_g=4_000_000,
        pending_g=0,
        returned_g=1_000_000,
        premium_g=0,
        excess_g=0,
        overdue=number % 10 == 0,
        defaulted=False,
        default_lapses_at=None,
        currency="AUD",
        security_minor=60_000_000,
        call_minor=0,
        reason=None,
        version=10,
    )
