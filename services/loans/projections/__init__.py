"""Read tables from events, a file a kind of stream: the own events in the journal's transaction, what others enrol from theirs."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, get_args

from services.loans.events.authority import AuthorityCited
from services.loans.events.controls import ControlEvent
from services.loans.events.equity import EquityEvent
from services.loans.events.facility import FacilityEvent
from services.loans.events.laboratory import LaboratoryEvent
from services.loans.events.loan import LoanEvent
from services.loans.events.material import MaterialEvent
from services.loans.events.offtake import DeliveryEvent, OfftakeEvent
from services.loans.events.parking import ParkingEvent
from services.loans.events.payees import PayeeEvent
from services.loans.events.project import ProjectEvent
from services.loans.events.rates import RateEvent
from services.loans.events.reach import LogReachReported
from services.loans.projections.authority import project_citation, project_proposal
from services.loans.projections.equity import project_equity
from services.loans.projections.facility import project_facility
from services.loans.projections.laboratory import project_laboratory
from services.loans.projections.loan import project_loans
from services.loans.projections.material import project_material, take_product
from services.loans.projections.offtake import project_offtake
from services.loans.projections.payees import project_payee
from services.loans.projections.project import project_project
from services.loans.projections.rates import project_rate
from shared.journal.connection import Connection, Project
from shared.journal.record import Fact
from shared.journal.waves import without
from shared.terms.countersigning_tables import with_proposals

type _ProjectOne = Callable[[Connection, Fact], Awaitable[None]]


def _each(project_one: _ProjectOne) -> Project:
    async def project_part(connection: Connection, facts: Sequence[Fact]) -> None:
        for fact in facts:
            await project_one(connection, fact)

    return project_part


_PARTS: tuple[tuple[tuple[Any, ...], Project], ...] = (
    (get_args(FacilityEvent), _each(project_facility)),
    (get_args(RateEvent), _each(project_rate)),
    (get_args(ProjectEvent), _each(project_project)),
    (get_args(PayeeEvent), _each(project_payee)),
    (get_args(LoanEvent), project_loans),
    (get_args(EquityEvent), _each(project_equity)),
    (get_args(MaterialEvent), _each(project_material)),
    (get_args(LaboratoryEvent), _each(project_laboratory)),
    ((*get_args(OfftakeEvent), *get_args(DeliveryEvent)), _each(project_offtake)),
    ((AuthorityCited,), _each(project_citation)),
    (get_args(ControlEvent), _each(project_proposal)),
)


async def _project(connection: Connection, facts: Sequence[Fact]) -> None:
    for kinds, project_part in _PARTS:  # no two write the same table, but that what was cited is a step of its loan
        if own := [fact for fact in facts if isinstance(fact.event, kinds)]:
            await project_part(connection, own)


project = without(LogReachReported | ParkingEvent, with_proposals(_project))


async def take_products(connection: Connection, facts: Sequence[Fact]) -> None:
    """Inventory's: what there is to be lent, and what it contains."""
    for fact in facts:
        await take_product(connection, fact)
