"""Clients at work: what operators, partners and approvers of stock and allocation do."""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.allocation.domain.authority.approver import RevokeKey
from services.allocation.domain.book.approvals import ApproveRound
from services.allocation.domain.book.declining import ConfirmDecline, DeclineRequest
from services.allocation.domain.book.opening import OpenRound
from services.allocation.domain.book.requests import AcceptRequest, ClockTerms, SubmitRequest, WithdrawRequest
from services.allocation.domain.book.rounds import CancelRound, CertifyRound, ProposeRound
from services.allocation.domain.book.state import ATTESTATION, Book, partners_of
from services.allocation.domain.clocks.state import MILESTONES
from services.allocation.domain.decisions.proposal import prepare
from services.allocation.domain.decisions.supply import asked_in, offer_from
from services.allocation.domain.partners.agreement import AmendAgreement, EndAgreement, SignAgreement
from services.allocation.domain.partners.disruption import DeclareDisruption, EndDisruption, ReviseDisruption
from services.allocation.domain.partners.partner import RegisterPartner
from services.allocation.events import EmergencyPath, ProductTerms, QuorumStep, ReleaseOrder, RoundMethod
from services.inventory.domain.consignees import CONSIGNEE_CLEARED, CONSIGNEE_NAMED
from services.inventory.domain.dispatch import LEDGER_RECEIPT, DeliverDraw, DispatchDraw, ReturnDraw, WeighDraw
from services.inventory.domain.draws import DrawStock
from services.inventory.domain.holds import LiftHold, PutOnHold
from services.inventory.domain.lots import AdjustStock, RecordAssay, TakeInLot
from services.inventory.domain.products import RegisterProduct, SetProtectedStock
from services.inventory.domain.releases import CancelRelease
from services.inventory.domain.rights import AddRight, MatureRight
from services.inventory.events import Assay, GateEvidence
from shared.journal.decider import Refused
from shared.journal.protocol import Document, Unreachable
from shared.terms.acting import Signing
from shared.terms.approval import SignedApproval, approve, key_id, public_key_hex, verify_approval
from shared.terms.authority import Capacity
from shared.terms.countersigning import ControlReason
from shared.writer.commands import Unavailable
from tests.simulation.afterwards_clients import give_back, supersede, suspend_or_resume
from tests.simulation.authority_clients import replace_authority
from tests.simulation.client import Client, NotNow, Prepare
from tests.simulation.screening_clients import findings
from tests.simulation.tables import NOWHERE, UNIT_G, DrawRow
from tests.simulation.two_people import by_one, by_two, surely
from tests.stories.barring import barring
from tests.stories.endorsing import enrolment

if TYPE_CHECKING:
    from tests.simulation.world import Running


class Approver:
    """A person with a key of their own."""

    def __init__(self, subject: str, number: int = 0) -> None:
        self.subject: Any = subject
        self.number = number
        self.key = Ed25519PrivateKey.from_private_bytes(sha256(f"{subject}/{number}".encode()).digest())
        self.public_key = public_key_hex(self.key)
        self.key_id: Any = key_id(self.public_key)


async def stock_up(client: Client, product: Any) -> None:
    """Registers the product and takes its first lots in."""
    register = RegisterProduct(
        product=product, name=product, contents={"Sb": "1"}, form="metal", unit="bundle", nominal_unit_g=UNIT_G, specification="none"
    )
    await surely(client, f"inventory/stockpile/{product}", register)
    for _ in range(client.dice.randrange(1, 4)):
        await take_in(client, product)
    if client.dice.random() < 0.5:
        right = AddRight(
            right=client.new_id("rgt"),
            project="a mine",
            kind="firm_offtake",
            mass_g=UNIT_G * client.dice.randrange(2, 9),
            window_from=date(2026, 1, 1),
            window_to=date(2026, 12, 31),
            on=date.min,
        )
        await in_stock(client, product, right)


async def take_in(client: Client, product: str) -> None:
    await in_stock(client, product, _lot(client))


async def in_stock(client: Client, product: str, command: Any) -> Any:
    return await by_two(client, f"inventory/stockpile/{product}", command, hopeless=getattr(command, "depot", None) == NOWHERE)


def _lot(client: Client) -> TakeInLot:
    return TakeInLot(
        lot=client.new_id("lot"),
        depot=client.dice.choice(("north", "south")),
        units=client.dice.randrange(3, 15),
        nominal_unit_g=client.dice.choice((UNIT_G, UNIT_G, 4 * UNIT_G)),
        origin=client.dice.choice(("AU", "CN")),
        custody_model="segregated",
        assay=_assay(client, True),
        on=date.min,
    )


def _assay(client: Client, good: bool) -> Assay:
    return Assay(report=client.new_id("rep"), laboratory="lab", assayed_on=date(2026, 1, 5), contents={"Sb": "0.99"}, in_specification=good)


async def sign_terms(client: Client, partner: Any, products: Sequence[Any]) -> None:
    """Registers a partner with an agreement over all products, as the API takes it: of those that have books."""
    await client.do("allocation", f"partner/{partner}", RegisterPartner(partner=partner, name=partner))
    if not await client.until(lambda: client.allocation.books.issuperset(products)):
        return
    terms = SignAgreement(
        agreement=f"agr_{partner}",  # type: ignore[arg-type]
        partner=partner,
        products=tuple(ProductTerms(product=product, yearly_quota_g=10_000 * UNIT_G, share="1/2") for product in products),
        priority_class=0,
        valid_from=date(2025, 6, 1),
        valid_until=date(2027, 1, 1),
        on=date.min,
    )
    await surely(client, f"allocation/agreement/agr_{partner}", terms)


async def ask_for_stock(client: Client, partner: Any, product: str, times: int, until_s: float) -> None:
    """A partner: requests, then draws under whatever is released to it."""
    await client.until(lambda: product in client.allocation.books and f"agr_{partner}" in client.allocation.terms)
    for _ in range(times):
        request, days = client.new_id("req"), client.dice.choice((0, 1, 3, 6, 12, 30))

        lent_for = client.dice.choice((0, 0, 5, 12))  # days; 0: it is no loan
        excluded = client.dice.choice(((), ("CN",)))

        async def submit(
            process: "Running",
            on: date,
            request: Any = request,
            days: int = days,
            lent_for: int = lent_for,
            excluded: tuple[str, ...] = excluded,
        ) -> tuple[Any, tuple[Document, ...]]:
            around = client.allocation.surroundings(product, [partner], on)
            terms = around.terms.get(partner)
            mass_g = UNIT_G * (3 + len(request) % 7)
            command = SubmitRequest(
                request=request,
                partner=partner,
                agreement=None if terms is None else terms.agreement,
                mass_g=mass_g,
                minimum_g=0,
                daily_consumption_g=UNIT_G,
                needed_by=on + timedelta(days=days),
                nominee="a nominee",
                consignee="a consignee",
                end_user="a smelter",
                end_use="solder",
                return_on=on + timedelta(days=days + lent_for) if lent_for else None,
                screen_by=on if client.world.people else None,
                excluded_origins=excluded,
                on=on,
            )
            return command, ()

        await client.do("allocation", f"book/{product}", submit)
        await client.pause(1.0)
        await draw_released(client, partner, product)
    while client.world.loop.time() < until_s:
        await client.pause(0.6)
        await draw_released(client, partner, product)


async def draw_released(client: Client, partner: str, product: str) -> None:
    for release, row in list(client.inventory.releases.items()):
        if (row.partner, row.product, row.status) != (partner, product, "open") or client.dice.random() < 0.3:
            continue
        units = max(1, row.remaining_g // row.unit_g)
        mass_g = row.remaining_g if client.dice.random() < 0.4 else row.unit_g * client.dice.randrange(1, units + 1)
        draw = DrawStock(
            draw=client.new_id("drw"),
            release=release,  # type: ignore[arg-type]
            partner=partner,
            mass_g=mass_g,
            assign_rights=client.dice.random() < 0.3,
            on=date.min,
        )
        await client.do("inventory", f"stockpile/{product}", draw)


async def run_rounds(client: Client, product: str, approvers: list[Approver], until_s: float) -> None:
    """An operator: screens what comes, holds rounds over it, certifies them and attests that with a key of their own."""
    loop = asyncio.get_running_loop()
    certifier = Approver(client.name)
    await enrol(client, certifier)
    stream = f"book/{product}"
    while loop.time() < until_s:
        await client.pause(1.0)
        book = await read_book(client, product)
        if book is None:
            continue
        for request_id, request in sorted(book.requests.items()):
            if request.declined is not None:
                if client.dice.random() < 0.2:
                    second = approvers[0].subject
                    confirm = ConfirmDecline(request=request_id, by=second, accounts=frozenset({second}))
                    await client.do("allocation", stream, confirm)
            elif request.accepted_g is None and client.dice.random() < 0.05:
                decline = DeclineRequest(request=request_id, reasons=("not a use that counts",), by=by_one(client))
                await client.do("allocation", stream, decline)
            elif request.accepted_g is None:
                await client.do("allocation", stream, accept(client, request_id, request.mass_g))
        ready = [
            name
            for name, request in sorted(book.requests.items())
            if request.accepted_g is not None and request.round is None and request.declined is None
        ]
        if ready and client.dice.random() < 0.8:
            opening = OpenRound(
                round=client.new_id("rnd"),
                requests=tuple(ready),
                disruption=client.dice.choice((None, *client.allocation.disruptions)),  # type: ignore[arg-type]
                method=RoundMethod(rule="pro_rata"),
                policy="standing",
                policy_version=1,
                quorum=(QuorumStep(above_g=0, approvals=client.dice.randrange(1, 3)),),
                emergency=client.dice.choice((None, None, EmergencyPath(ratify_within_hours=24))),
                release_days=client.dice.choice((1, 2, 4, 9, 30)),
                on=date.min,
            )
            if (ruled := client.allocation.people.under_policy(opening, client.world.today())) is not None:
                await client.do("allocation", stream, ruled)
        for round_id, (its_product, status) in list(client.allocation.rounds.items()):
            if its_product == product and status in ("open", "proposed"):
                await hold_round(client, product, round_id, approvers, certifier)


async def hold_round(client: Client, product: Any, round_id: Any, approvers: list[Approver], certifier: Approver) -> None:
    """Proposes, has it approved, certifies. Whatever is refused on the way is left for the next time round."""
    stream = f"book/{product}"

    async def propose(process: "Running", on: date) -> tuple[Any, tuple[Document, ...]]:
        book = await _book(process, product)
        round = book.rounds.get(round_id)
        partners = [] if round is None else sorted(partners_of(book, round))
        around = client.allocation.surroundings(product, partners, on, round_id)
        supply_g = max(1, around.free_g * share // 4)
        prepared = None
        if round is not None and round.requests and partners_of(book, round) <= around.terms.keys() and around.free_g > 0:
            offered = offer_from(client.allocation.stock.stock(product, UNIT_G), asked_in(book, round), supply_g, on)
            salts = [salt.hex() for salt in client.world.chance.bytes(len(round.requests) + 1)]
            prepared = prepare(round_id, product, book, round, around, offered, salts)
        command = ProposeRound(
            round=round_id,
            supply_g=supply_g,
            by="proposer",  # type: ignore[arg-type]
            on=on,
            surroundings=around,
            proposed=None if prepared is None else prepared.proposed,
        )
        if prepared is None:
            return command, ()
        return command, tuple(Document(content) for content in (prepared.published, prepared.file, prepared.release_order))

    share = client.dice.randrange(1, 5)
    await client.do("allocation", stream, propose)
    for approver in approvers:
        await approve_round(client, product, round_id, approver)

    async def certify(process: "Running", on: date) -> tuple[Any, tuple[Document, ...]]:
        book = await _book(process, product)
        round = book.rounds.get(round_id)
        partners = [] if round is None else sorted(partners_of(book, round))
        around = client.allocation.surroundings(product, partners, on, round_id)
        cited = {each.authority for each in round.proposal.cited.values()} if round is not None and round.proposal is not None else set()
        authorities = client.allocation.chains(sorted(cited))
        named = None if round is None or round.proposal is None else round.proposal.release_order
        kept = client.world.stores["allocation"].documents.get(named or "")
        order = None if kept is None else msgspec.json.decode(kept.content, type=ReleaseOrder)
        decision = "0" * 64 if round is None or round.proposal is None else round.proposal.decision
        attestation = approve(decision, certifier.key, approver=certifier.subject, purpose=ATTESTATION)
        command = CertifyRound(
            round=round_id,
            surroundings=around,
            order=order,
            revoked=(),
            authorities=authorities,
            on=on,
            at=process.now(),
            attestation=signing_of(client, attestation, certifier, on),
        )
        return command, ()

    answer = await client.do("allocation", stream, certify)
    if isinstance(answer, Refused) and client.dice.random() < 0.2:
        cancel = CancelRound(round=round_id, reason="given up")
        if getattr(await client.do("allocation", stream, cancel), "code", None) == ControlReason.NEEDED:  # somebody has approved it
            await by_two(client, f"allocation/{stream}", cancel)


async def approve_round(client: Client, product: str, round_id: Any, approver: Approver) -> None:
    book = await read_book(client, product)
    round = None if book is None else book.rounds.get(round_id)
    if round is None or round.proposal is None:
        return
    signed = approve(round.proposal.decision, approver.key, approver=approver.subject)

    async def command(process: "Running", on: date) -> tuple[Any, tuple[Document, ...]]:
        return ApproveRound(round=round_id, signing=signing_of(client, signed, approver, on), companies=()), ()

    await client.do("allocation", f"book/{product}", command)


def signing_of(client: Client, signed: SignedApproval, approver: Approver, on: date) -> Signing:
    return Signing(
        approval=signed,
        key="enrolled",
        signature_valid=verify_approval(signed, approver.public_key),
        capacity=Capacity(
            by=approver.subject,
            on=on,
            held=client.allocation.held_by(approver.subject),
            conflicts=frozenset(client.allocation.people.interests[approver.subject]),
        ),
    )


async def enrol(client: Client, approver: Approver) -> None:
    await client.do("allocation", f"approver/{approver.subject}", enrolment(approver.subject, approver.key))


async def read_book(client: Client, product: str) -> Book | None:
    doors = client.world.serving("allocation")
    if not doors:
        return None
    process = client.dice.choice(doors)
    task = process.spawn(_book(process, product), f"read-{client.name}")
    await asyncio.wait([task])
    return None if task.cancelled() or task.exception() is not None else task.result()


async def _book(process: "Running", product: str) -> Book:
    try:
        book, _ = await process.writer.state(f"book/{product}")
    except (Unavailable, Unreachable) as error:
        raise NotNow(repr(error)) from error
    assert isinstance(book, Book)
    return book


def accept(client: Client, request: Any, mass_g: int) -> Prepare:
    """Under a clock whose limits come one a day, so that most of them pass while the run goes on."""

    async def screen(process: "Running", on: date) -> tuple[Any, tuple[Document, ...]]:
        limits_days = {milestone: day for day, milestone in enumerate(MILESTONES)}
        clock = ClockTerms(clock="hasty", submitted_on=on, limits_days=limits_days, warn_days=1)
        accepted = AcceptRequest(
            request=request,
            accepted_g=mass_g,
            reasons=("fine",),
            lists=client.allocation.people.lists,
            screening=findings(client, on),
            clock=clock,
            on=on,
        )
        return accepted, ()

    return screen


async def send_out(client: Client, until_s: float) -> None:
    """An operator at the depots: weighs what is drawn, sends it out or takes it back."""
    loop = asyncio.get_running_loop()
    while loop.time() < until_s:
        await client.pause(0.6)
        for draw, row in list(client.inventory.draws.items()):
            stream = f"stockpile/{row.product}"
            if row.status == "dispatched" and client.dice.random() < 0.2:
                await client.do("inventory", stream, sign_for(draw))
            if row.status != "drawn" or client.dice.random() < 0.4:
                continue
            if not row.weighed and client.dice.random() < 0.8:
                weighed_g = row.mass_g + client.dice.randrange(-5, 6)
                await client.do("inventory", stream, WeighDraw(draw=draw, weighed_g=weighed_g, by="weigher"))  # type: ignore[arg-type]
            if client.dice.random() < 0.1:
                await in_stock(client, row.product, ReturnDraw(draw=draw, reason="not needed"))  # type: ignore[arg-type]
            else:
                await dispatch(client, draw, row, stream)


BY = frozenset({"dispatcher"})
CONSIGNEE = tuple(GateEvidence(gate=gate, evidence="looked up elsewhere", by="allocation") for gate in (CONSIGNEE_NAMED, CONSIGNEE_CLEARED))


def sign_for(draw: Any) -> Prepare:
    async def deliver(process: "Running", on: date) -> tuple[Any, tuple[Document, ...]]:
        return DeliverDraw(draw=draw, partner=None, delivered_on=on, received_by="a warehouse", evidence="a receipt", on=on), ()

    return deliver


async def dispatch(client: Client, draw: Any, row: DrawRow, stream: str) -> None:
    async def send(process: "Running", on: date) -> tuple[Any, tuple[Document, ...]]:
        covered, size = client.inventory.covered.get(row.shard, (0, 0))
        gates = (GateEvidence(gate=LEDGER_RECEIPT, evidence=f"of {size}", by="log"),) if covered >= row.position else ()
        return DispatchDraw(draw=draw, carrier="a ship", consignee="a consignee", gates=(*gates, *CONSIGNEE), accounts=BY, on=on), ()

    await client.do("inventory", stream, send)


async def meddle(client: Client, products: Sequence[Any], partners: Sequence[Any], approvers: list[Approver], until_s: float) -> None:
    """What else happens in a reserve: holds, assays, stock-takes, amended terms, revoked keys, second thoughts."""
    at_a_stockpile = (take_in, put_on_hold, protect, assay, count, take_back, mature)
    while client.world.loop.time() < until_s:
        await client.pause(0.6)
        product, partner = client.dice.choice(products), client.dice.choice(partners)
        match client.dice.randrange(16):
            case number if number < len(at_a_stockpile):
                await at_a_stockpile[number](client, product)
                if client.dice.random() < client.world.kernel.lost_lots:
                    lost = msgspec.structs.replace(_lot(client), depot=NOWHERE)
                    await in_stock(client, product, lost)
            case 7:
                await change_terms(client, partner, products)
            case 8:
                await replace_key(client, products, approvers)
            case 9:
                await replace_authority(client, products, approvers)
            case 10:
                await tell_disruption(client, products, partner)
            case 11 | 12:
                await suspend_or_resume(client, partner)
            case 13:
                await give_back(client, product)
            case 14:
                await supersede(client, product)
            case _:
                book = await read_book(client, product)
                if book is not None and book.requests:
                    withdraw = WithdrawRequest(request=client.dice.choice(sorted(book.requests)), reason="second thoughts")
                    await client.do("allocation", f"book/{product}", withdraw)


async def put_on_hold(client: Client, product: str) -> None:
    scope, target = client.dice.choice((("partner", "JP"), ("partner", "AU"), ("depot", "north"), ("product", None)))
    hold = PutOnHold(
        hold=client.new_id("hld"),
        scope=scope,  # type: ignore[arg-type]
        target=target,
        reason="a reason",
        authority="an Act",
        expires_on=client.world.today() + timedelta(days=client.dice.randrange(0, 4)),
        on=date.min,
    )
    await client.do("inventory", f"stockpile/{product}", hold)
    if client.dice.random() < 0.5:
        await client.pause(1.0)
        await in_stock(client, product, LiftHold(hold=hold.hold, reason="over", capacity=None))


async def protect(client: Client, product: str) -> None:
    protected_g = UNIT_G * client.dice.randrange(0, 4)
    protect = SetProtectedStock(mass_g=protected_g, authority="an Act", reason="prudence")
    await in_stock(client, product, protect)


async def assay(client: Client, product: str) -> None:
    if lot := _one_of(client, product, "lot_taken_in", "lot"):
        await in_stock(client, product, RecordAssay(lot=lot, assay=_assay(client, client.dice.random() < 0.6)))


async def count(client: Client, product: str) -> None:
    if lot := _one_of(client, product, "lot_taken_in", "lot"):
        found = AdjustStock(lot=lot, change_units=client.dice.choice((-1, 1, 2)), cause="stock_take", reason="counted")
        await in_stock(client, product, found)


async def take_back(client: Client, product: str) -> None:
    opened = [name for name, row in client.inventory.releases.items() if row.status == "open" and row.product == product]
    if opened:
        cancel = CancelRelease(release=client.dice.choice(opened), reason="taken back", capacity=None)  # type: ignore[arg-type]
        await in_stock(client, product, cancel)


async def mature(client: Client, product: str) -> None:
    if right := _one_of(client, product, "right_added", "right"):
        delivery = msgspec.structs.replace(_lot(client), assay=_assay(client, client.dice.random() < 0.7), on=client.world.today())
        await in_stock(client, product, MatureRight(right=right, settled_g=UNIT_G, delivery=delivery))
        if not delivery.assay.in_specification:  # it waits for a laboratory that finds it fit
            await in_stock(client, product, RecordAssay(lot=delivery.lot, assay=_assay(client, True)))


async def change_terms(client: Client, partner: Any, products: Sequence[Any]) -> None:
    """Mostly amends them; sometimes ends them, and signs others."""
    if client.dice.random() < 0.15:
        await by_two(client, f"allocation/agreement/agr_{partner}", EndAgreement(reason="a change of policy"))
        return
    amended = AmendAgreement(
        products=tuple(ProductTerms(product=each, yearly_quota_g=9_000 * UNIT_G, share="1/3") for each in products),
        priority_class=0,
        valid_until=date(2027, 1, 1),
        reason="more for others",
        on=date.min,
    )
    await by_two(client, f"allocation/agreement/agr_{partner}", amended)


async def replace_key(client: Client, products: Sequence[Any], approvers: list[Approver]) -> None:
    last = approvers[-1]
    revoke = RevokeKey(subject=last.subject, key=last.key_id, products=tuple(products), reason="lost", barring=barring(last.subject))
    await client.do("allocation", f"approver/{last.subject}", revoke)
    approvers[-1] = Approver(last.subject, last.number + 1)
    await enrol(client, approvers[-1])


async def tell_disruption(client: Client, products: Sequence[Any], partner: Any) -> None:
    told = client.allocation.disruptions
    if not told:
        command: Any = DeclareDisruption(
            disruption=client.new_id("dis"),
            instrument="No. 1",
            products=tuple(products),
            declared_scope="all",
            observed_scope="some",
            partners=(partner,),
            starts_on=date(2026, 1, 6),
            evidence=("a gazette",),
        )
        await by_two(client, f"allocation/disruption/{command.disruption}", command)
        return
    command = ReviseDisruption(
        declared_scope="all",
        observed_scope="most",
        partners=(partner,),
        starts_on=date(2026, 1, 6),
        evidence=("a gazette", "a letter"),
        reason="more is known",
    )
    if client.dice.random() < 0.3:
        command = EndDisruption(ends_on=date(2026, 2, 1), reason="over")
    await by_two(client, f"allocation/disruption/{client.dice.choice(sorted(told))}", command)


def _one_of(client: Client, product: str, kind: str, name: str) -> Any:
    """The id of something that some event of that kind has named."""
    records = client.world.stores["inventory"].by_stream.get(f"stockpile/{product}", [])
    found = [msgspec.json.decode(record.data)[name] for record in records if record.type.startswith(f"inventory.{kind}.v")]
    return client.dice.choice(found) if found else None
