"""What a command needs to know of other streams, from the read tables. The books' rules look at it again when they decide."""

from collections.abc import Collection
from datetime import date

from msgspec.structs import replace
from sqlalchemy import ColumnElement, Text, any_, literal
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.fields import EVERYTHING, Sight
from services.allocation.domain.book.lapses import Surroundings, TermsRead
from services.allocation.domain.partners.agreement import Agreement, year_from
from services.allocation.domain.policies.policy import Policy
from services.allocation.events import AgreementId, PartnerCode, SubjectId
from services.allocation.tables.book import BookRow, RequestRow, RoundRow
from services.allocation.tables.partners import AgreementRow, DisruptionRow, PartnerRow
from services.allocation.tables.screening import InvolvementRow
from services.allocation.tables.supply import HoldWordRow, RightRow, StockRow, StockUnitsRow
from shared.http.handlers import Reads
from shared.http.problems import Problem
from shared.terms.authority_tables import accounts_of
from shared.terms.protecting import Word


def among(column: str, names: Collection[str]) -> ColumnElement[bool]:
    """Whether it is one of many names: one parameter, where `in_` has one for each of 10,000, and takes 50 ms to write them."""
    return col(column) == any_(literal(list(names), ARRAY(Text)))


async def require_partners(session: AsyncSession, partners: Collection[str], field: str) -> None:
    """Raises Problem `partner_not_found`."""
    known = set((await session.exec(select(PartnerRow.partner).where(col(PartnerRow.partner).in_(partners)))).all())
    if unknown := sorted(set(partners) - known):
        raise Problem("partner_not_found", f"{unknown[0]} is not registered", field=field)


async def require_products(session: AsyncSession, products: Collection[str], field: str) -> None:
    """Raises Problem `product_not_found`."""
    known = set((await session.exec(select(BookRow.product).where(col(BookRow.product).in_(products)))).all())
    if unknown := sorted(set(products) - known):
        raise Problem("product_not_found", f"{unknown[0]} has no book", field=field)


async def words_beside(reads: Reads, agreement: str) -> list[Word]:
    """What one person alone has stopped of an agreement's goods otherwise, and nobody else has confirmed: by a hold on its partner, or on
    any of a product, as far as inventory's events have come, or by another agreement of the partner."""
    state: Agreement = (await reads.state(f"agreement/{agreement}"))[0]
    async with reads.session() as session:
        of_its = (among(HoldWordRow.product, state.products), or_(col(HoldWordRow.partner).is_(None), HoldWordRow.partner == state.partner))
        held = (await session.exec(select(HoldWordRow).where(*of_its))).all()
        others = (await session.exec(select(AgreementRow).where(AgreementRow.partner == state.partner))).all()
    same = [each.agreement for each in others if not {*state.products}.isdisjoint(terms["product"] for terms in each.products)]
    words = [word for other in same if other != agreement for word in (await reads.state(f"agreement/{other}"))[0].words]
    return [*(Word(each.put_on_by, each.lapses_at, "hold") for each in held), *(replace(word, what="another agreement") for word in words)]


async def find_request(session: AsyncSession, request: str, partner: PartnerCode | None, nominee: str | None = None) -> RequestRow:
    """Raises Problem `request_not_found`, also for another partner's, and another nominee's."""
    row = await session.get(RequestRow, request)
    if row is None or partner not in (None, row.partner) or nominee not in (None, row.nominee):
        raise Problem("request_not_found", f"there is no request {request}", field="path:request")
    return row


async def sees_request(session: AsyncSession, sight: Sight, request: str) -> bool:
    row = await session.get(RequestRow, request)
    return row is not None and sight.partner in (None, row.partner) and sight.nominee in (None, row.nominee)


async def find_round(session: AsyncSession, round: str, sight: Sight = EVERYTHING, field: str = "path:round") -> RoundRow:
    """Raises Problem `round_not_found`, also for one that has no request that the caller sees."""
    row = await session.get(RoundRow, round)
    if row is None or (sight.partner is not None and not await own_requests(session, row.requests, sight)):
        raise Problem("round_not_found", f"there is no round {round}", field=field)
    return row


async def own_requests(session: AsyncSession, requests: Collection[str], sight: Sight) -> list[str]:
    """Those of the requests that the caller sees, in their order."""
    own = select(RequestRow.request).where(among(RequestRow.request, requests), RequestRow.partner == sight.partner)
    if sight.nominee is not None:
        own = own.where(RequestRow.nominee == sight.nominee)
    return sorted((await session.exec(own)).all())


async def valid_terms(session: AsyncSession, product: str, partners: Collection[PartnerCode], on: date) -> dict[PartnerCode, TermsRead]:
    """Each partner's terms for the product on that day. Of several agreements the one that began last counts."""
    valid = (
        select(AgreementRow)
        .where(
            col(AgreementRow.partner).in_(partners),
            col(AgreementRow.ended).is_(False),
            col(AgreementRow.suspended).is_(False),
            col(AgreementRow.valid_from) <= on,
            col(AgreementRow.valid_until) >= on,
        )
        .order_by(col(AgreementRow.valid_from), col(AgreementRow.agreement))
    )
    return {
        PartnerCode(row.partner): TermsRead(
            agreement=AgreementId(row.agreement),
            version=row.version,
            year_from=year_from(row.valid_from, on),
            quota_g=terms["yearly_quota_g"],
            priority_class=row.priority_class,
            valid_until=row.valid_until,
        )
        for row in (await session.exec(valid)).all()
        for terms in row.products
        if terms["product"] == product
    }


async def find_surroundings(
    session: AsyncSession, product: str, partners: Collection[PartnerCode], disruption: str | None, on: date
) -> Surroundings:
    found = None if disruption is None else await session.get(DisruptionRow, disruption)
    stock = await session.get(StockRow, product)
    lots = await available_units(session, product)
    return Surroundings(
        terms=await valid_terms(session, product, partners, on),
        disruption_version=None if found is None else found.version,
        lots_g=sum(unit_g * units for unit_g, units in lots.items()),
        rights_g=0 if stock is None else await free_rights_g(session, stock, on),
        protected_g=0 if stock is None else stock.protected_g,
    )


async def available_units(session: AsyncSession, product: str) -> dict[int, int]:
    """Units of lots by size in grams."""
    rows = await session.exec(select(StockUnitsRow).where(StockUnitsRow.product == product, StockUnitsRow.units > 0))
    return {row.unit_g: row.units for row in rows.all()}


async def free_rights_g(session: AsyncSession, stock: StockRow, on: date) -> int:
    """Grams of open firm rights that no release has reserved."""
    open_firm = select(func.coalesce(func.sum(RightRow.mass_g), 0)).where(
        RightRow.product == stock.product, RightRow.kind == "firm_offtake", RightRow.window_to >= on
    )
    return max(int((await session.exec(open_firm)).one()) - stock.reserved_rights_g, 0)


async def read_policy(reads: Reads, policy: str) -> Policy:
    """As of now; one that was never drafted has no versions."""
    found, _ = await reads.state(f"policy/{policy}")
    assert isinstance(found, Policy)
    return found


async def involved_in(session: AsyncSession, matters: Collection[str], subject: str) -> tuple[SubjectId, ...]:
    """Who had a part in any of these rounds and requests: the subject too, if another account of theirs had."""
    query = select(InvolvementRow.subject).where(among(InvolvementRow.matter, matters)).distinct()
    involved = set((await session.exec(query)).all())
    if not involved.isdisjoint(await accounts_of(session, subject)):
        involved.add(subject)
    return tuple(SubjectId(each) for each in sorted(involved))
