"""Controls: what each command of loans, holdings, offtakes and facilities does to what people hold, and so who may give it."""

from collections import Counter
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

from msgspec import structs

from services.loans.domain.approvals import interests_in, of_metal, of_money
from services.loans.domain.equity.decider import (
    ApproveHolding,
    CancelUncalled,
    CommitHolding,
    ProposeHolding,
    RefuseHolding,
    WithdrawHolding,
)
from services.loans.domain.equity.flows import DivestShares, ReceiveDividend, ReverseDividend, SubscribeShares, ValueHolding
from services.loans.domain.equity.state import Holding, keys_of
from services.loans.domain.equity.write_downs import ApproveWriteDown, ProposeWriteDown, WithdrawWriteDown
from services.loans.domain.facility.headroom import (
    OpenFacility,
    RecordRate,
    ReleaseHeadroom,
    ReserveHeadroom,
    SetGroup,
    SetLimits,
    TellDefault,
)
from services.loans.domain.facility.state import Facility, group_key, with_group, worth
from services.loans.domain.loan.advances import (
    CancelCommitment,
    EndAvailability,
    LearnEvidence,
    LookAtSubsequent,
    PayAdvance,
    RequestAdvance,
    WithdrawAdvance,
)
from services.loans.domain.loan.agreement import (
    ApproveAct,
    ApproveLoan,
    CommitLoan,
    ProposeAct,
    ProposeLoan,
    RefuseCommitment,
    WithdrawAct,
    WithdrawLoan,
)
from services.loans.domain.loan.covenants import ConfirmBreach, LapseBreach, ReportRatio, cures_breach
from services.loans.domain.loan.defaults import ConfirmDefault, DeclareDefault, FallDue, LapseDefault, NoteCrossDefault
from services.loans.domain.loan.payments import CreditDelivery, ReconcilePayment, RecordPayment, RecordRecovery, ReversePayment
from services.loans.domain.loan.servicing import (
    ChargeFee,
    CloseLoan,
    ClosePeriod,
    ImportLoan,
    LookAtArrears,
    Regrade,
    ResetRate,
    TakePublications,
)
from services.loans.domain.loan.state import Loan, parties_to
from services.loans.domain.material.defaults import (
    ConfirmMaterialDefault,
    DeclareMaterialDefault,
    LapseMaterialDefault,
    RecordReplacement,
)
from services.loans.domain.material.held import (
    CheckCall,
    CheckDue,
    EndDrawing,
    MarkSecurity,
    RecordLent,
    RecordTakenBack,
    SettleInCash,
    TopUpSecurity,
)
from services.loans.domain.material.laboratories import ConfirmLaboratoryEnd, EndLaboratory, LapseLaboratoryEnd, RegisterLaboratory
from services.loans.domain.material.returns import AssayReturn, CreditReturn, ReceiveReturn, TurnBackReturn, WithdrawReturn
from services.loans.domain.material.state import MaterialLoan, owed_on
from services.loans.domain.material.terms import (
    ApproveDeferral,
    ApproveTerms,
    CommitMaterialLoan,
    OfferMaterialLoan,
    ProposeDeferral,
    ProposeTerms,
    RefuseMaterialLoan,
    WithdrawMaterialLoan,
    WithdrawOffer,
)
from services.loans.domain.offtake.delivery import AwaitAssay, TakeAssay
from services.loans.domain.offtake.offtake import AgreeOfftake, EndOfftake, Offtake, ValueDelivery
from services.loans.domain.payees.payees import ConfirmPayeeEnd, EndPayee, LapsePayeeEnd, RegisterPayee
from services.loans.domain.projects.project import EndRight, Project, RecordFact, RecordRight, Watch, WithdrawFact, lowers_a_share
from services.loans.domain.rates.reference import (
    FollowReferenceRate,
    LeaveReferenceRate,
    PublishReferenceRate,
    ReferenceRate,
    RegisterReferenceRate,
)
from services.loans.domain.standing.instalments import round_half_even
from services.loans.events.authority import AuthorityCited, name_of_use
from services.loans.events.controls import CommandApproved, CommandLapsed, CommandProposed, CommandWithdrawn
from services.loans.events.facility import Limit
from shared.terms.authority import Action, Cited, interest_in
from shared.terms.countersigning import Class, Controls, Countersigned, ProposalEvents, of_another
from shared.terms.reach import ReportReach

type Amount[State] = Callable[[Any, State], int]


# What each moves, of what the stream knows; a stream that does not know it refuses the command


def _of_loan(act: str, amount: Amount[Loan], only: Callable[[Any, Loan], bool] | None = None) -> Countersigned:
    def action(command: Any, loan: Loan) -> Action:
        if (terms := loan.terms) is None:
            return Action(act=act)
        return of_money(act, amount(command, loan), terms.currency, parties_to(terms))

    return Countersigned(act, action, only)


def _of_holding(act: str, amount: Amount[Holding], only: Callable[[Any, Holding], bool] | None = None) -> Countersigned:
    def action(command: Any, holding: Holding) -> Action:
        if (terms := holding.terms) is None:
            return Action(act=act)
        return of_money(act, amount(command, holding), terms.currency, keys_of(terms))

    return Countersigned(act, action, only)


def _of_material(act: str, amount: Amount[MaterialLoan] | None, grams: Amount[MaterialLoan]) -> Countersigned:
    """`amount`: in the terms' currency; None: it moves metal alone."""

    def action(command: Any, loan: MaterialLoan) -> Action:
        if loan.terms is None:
            return Action(act=act)
        metal = of_metal(act, loan.product, grams(command, loan), loan.partner)
        if amount is None:
            return metal
        return structs.replace(metal, amount_minor=amount(command, loan), currency=loan.terms.currency)

    return Countersigned(act, action)


def _of_facility(act: str, limits: Iterable[Limit], currency: str) -> Action:
    """An authority over a facility is one over all that it may lend."""
    return Action(
        act=act,
        amount_minor=max((each.limit_minor for each in limits), default=0),
        currency=currency,
        concerns=interests_in(each.key for each in limits),
    )


def _of_group(command: SetGroup, facility: Facility) -> Action:
    """Over all that is committed to its members, those of before among them."""
    before = facility.groups.get(command.group, frozenset())
    counted = (facility, with_group(facility, command.group, command.members))
    return Action(
        act="set_limits",
        amount_minor=max(each.used_minor.get(group_key(command.group), 0) for each in counted),
        currency=facility.currency,
        concerns=interests_in(sorted(before.union(command.members))),
    )


def _of_laboratory(command: RegisterLaboratory, _laboratory: Any) -> Action:
    return Action(act="register_laboratory", concerns=interests_in([command.owner]))


def _of_offtake(command: AgreeOfftake | EndOfftake, offtake: Offtake) -> Action:
    agreed = command if isinstance(command, AgreeOfftake) else offtake.agreements.get(command.offtake)
    concerns = [interest_in("company", name) for name in command.companies]
    if agreed is None:
        return Action(act="agree_offtake", concerns=concerns)
    return Action(act="agree_offtake", product=agreed.product, concerns=[*concerns, interest_in("product", agreed.product)])


def _revalued(command: RecordRate, facility: Facility) -> Action:
    rate = Fraction(command.rate)
    held = [each for each in facility.commitments.values() if each.asset == command.asset]
    changed = sum(worth(each.amount, rate) - each.value_minor for each in held)
    return Action(act="record_rate", amount_minor=abs(changed), currency=facility.currency)


def _nothing(*_: Any) -> int:
    """What is withdrawn before two have agreed on it has moved nothing."""
    return 0


def _asked_by_another(command: WithdrawAdvance, loan: Loan) -> bool:
    advance = loan.advances.get(command.advance)
    return advance is not None and advance.requested_by is not None and advance.requested_by not in command.by


def _principal(_command: Any, loan: Loan) -> int:
    return 0 if loan.figures is None else loan.figures.principal_minor


def _paid(command: ReversePayment, loan: Loan) -> int:
    return 0 if (payment := loan.payments.get(command.payment)) is None else payment.amount_minor


def _cures(command: ReportRatio, loan: Loan) -> bool:
    """Advances may be paid again."""
    covenant = loan.covenants.get(command.kind)
    return covenant is not None and cures_breach(command, covenant)


def _given_up(_command: CloseLoan, loan: Loan) -> int:
    """A credit that the borrower has, and a claim on what was written off: nobody pays or recovers anything on a loan that is closed."""
    return max(0, -loan.booked.credit_minor) + max(0, loan.booked.written_off_minor)


def _of_cost(command: DivestShares, holding: Holding) -> int:
    """What they are sold for, or what they have cost, if that is more."""
    figures = holding.figures
    return max(command.amount_minor, figures.cost_minor * command.units // figures.units if figures.units else 0)


def _owed_g(command: MarkSecurity | SettleInCash, loan: MaterialLoan) -> int:
    return owed_on(loan, command.on).total_g


def _owed_minor(command: MarkSecurity | SettleInCash, loan: MaterialLoan) -> int:
    return round_half_even(_owed_g(command, loan) * Fraction(command.price_minor))


def _imported(command: ImportLoan, _loan: Loan) -> Action:
    terms = command.terms
    return of_money("import_loan", terms.commitment_minor, terms.currency, parties_to(terms))


def _published(_command: PublishReferenceRate, rate: ReferenceRate) -> Action:
    """All that is lent to who follows, in the currency that most of it is in. It counts once towards a limit, however often something is
    published: the same loans bear it each day."""
    lent = [each for each in rate.followers.values() if each is not None]
    sums = Counter[str]()
    for each in lent:
        sums[each.currency] += each.commitment_minor
    name = name_of_use(f"reference/{rate.id}", "reset_rate", "")
    if not sums:
        return Action(act="reset_rate", name=name)
    [(currency, amount_minor)] = sums.most_common(1)
    concerns = [interest_in("company", each) for each in sorted({company for each in lent for company in each.companies})]
    return Action(act="reset_rate", amount_minor=amount_minor, currency=currency, concerns=concerns, name=name)


def _payee_of(command: RegisterPayee, _state: Any) -> Action:
    """Nothing moves by it, and all that is paid on it goes where it says."""
    return Action(act="register_payee", concerns=[interest_in("company", command.borrower)])


def _withdrawn(_: WithdrawFact, project: Project) -> Action:
    return Action(act="amend_conditions", concerns=[] if project.id is None else [interest_in("company", project.id)])


def _recorded(command: RecordFact, _project: Project) -> Action:
    return Action(act="amend_conditions", concerns=[interest_in("company", command.project)])


def _lowers_a_share(command: RecordFact, project: Project) -> bool:
    """A condition that is met may be met no longer by it, until two people withdraw it."""
    return lowers_a_share(command.known, project)


def _award(_: WithdrawMaterialLoan, loan: MaterialLoan) -> Action:
    return Action(act="cancel_release") if loan.id is None else of_metal("cancel_release", loan.product, loan.mass_g, loan.partner)


def _returned_g(command: AssayReturn | WithdrawReturn, loan: MaterialLoan) -> int:
    return 0 if (returned := loan.returns.get(command.returned)) is None else returned.mass_g


CONTROLS: Controls = {
    OpenFacility: Countersigned("set_limits", lambda command, _: _of_facility("set_limits", command.limits, command.currency)),
    SetLimits: Countersigned("set_limits", lambda command, facility: _of_facility("set_limits", command.limits, facility.currency)),
    RecordRate: Countersigned("record_rate", _revalued),
    SetGroup: Countersigned("set_limits", _of_group),
    ReserveHeadroom: Class.FOLLOWS,
    ReleaseHeadroom: Class.FOLLOWS,
    TellDefault: Class.FOLLOWS,
    RecordFact: Countersigned("amend_conditions", _recorded, only=_lowers_a_share),  # else it prepares: another pays the advance
    WithdrawFact: Countersigned("amend_conditions", _withdrawn),  # fewer conditions are met without it, until somebody proves it anew
    RecordRight: Class.FOLLOWS,
    EndRight: Class.FOLLOWS,
    Watch: Class.FOLLOWS,
    RegisterPayee: Countersigned("register_payee", _payee_of),
    EndPayee: Class.PROTECTS,  # nothing is paid on it any more
    ConfirmPayeeEnd: Class.PROTECTS,  # by another than has ended it
    LapsePayeeEnd: Class.FOLLOWS,
    ProposeLoan: Class.PREPARES,
    ApproveLoan: Class.MOVES_VALUE,
    WithdrawLoan: _of_loan("cancel_commitment", _nothing, lambda command, loan: of_another(command.by, loan.proposal)),  # own: it prepares
    CommitLoan: Class.FOLLOWS,
    RefuseCommitment: Class.FOLLOWS,
    ProposeAct: Class.PREPARES,
    ApproveAct: Class.MOVES_VALUE,
    WithdrawAct: _of_loan("amend_conditions", _nothing, lambda command, loan: of_another(command.by, loan.acts.get(command.act))),
    LearnEvidence: Class.FOLLOWS,
    RequestAdvance: Class.PREPARES,
    WithdrawAdvance: _of_loan("cancel_commitment", _nothing, _asked_by_another),
    PayAdvance: Class.EXERCISES,  # a commitment, whose conditions are met: by another than who has prepared it
    CancelCommitment: _of_loan(
        "cancel_commitment", lambda command, loan: command.amount_minor or max(0, loan.undrawn_minor - loan.requested_minor)
    ),
    EndAvailability: Class.FOLLOWS,
    LookAtSubsequent: Class.FOLLOWS,
    RecordPayment: Class.EXERCISES,  # money that came, by the bank's reference: nothing leaves over it before another has reconciled it
    ReconcilePayment: Class.EXERCISES,  # by another than has recorded it
    CreditDelivery: Class.FOLLOWS,
    ReversePayment: _of_loan("reverse_payment", _paid),
    RecordRecovery: _of_loan("record_recovery", lambda command, _: command.amount_minor),
    ImportLoan: Countersigned("import_loan", _imported),
    ResetRate: _of_loan("reset_rate", _principal),
    TakePublications: Class.FOLLOWS,
    RegisterReferenceRate: Countersigned("reset_rate", lambda *_: Action(act="reset_rate")),  # nothing follows it yet
    PublishReferenceRate: Countersigned("reset_rate", _published),
    FollowReferenceRate: Class.FOLLOWS,
    LeaveReferenceRate: Class.FOLLOWS,
    ChargeFee: _of_loan("charge_fee", lambda command, _: command.amount_minor),
    ClosePeriod: Class.FOLLOWS,
    LookAtArrears: Class.FOLLOWS,
    ReportRatio: _of_loan("cure_covenant", _principal, only=_cures),  # one that is kept, or breached, lets nobody do more than before
    ConfirmBreach: Class.PROTECTS,  # by another than has reported it
    LapseBreach: Class.FOLLOWS,
    Regrade: _of_loan("regrade", lambda command, loan: abs(loan.provision_minor - command.provision_minor)),
    DeclareDefault: Class.PROTECTS,  # nothing is advanced any more; that all of it falls due is an act, which another signs
    ConfirmDefault: Class.PROTECTS,  # by another than has declared it
    LapseDefault: Class.FOLLOWS,
    FallDue: Class.FOLLOWS,
    NoteCrossDefault: Class.FOLLOWS,
    CloseLoan: _of_loan("close_loan", _given_up, only=lambda command, loan: _given_up(command, loan) > 0),  # else nobody is owed anything
    AgreeOfftake: Countersigned("agree_offtake", _of_offtake),
    EndOfftake: Countersigned("agree_offtake", _of_offtake),
    ValueDelivery: Class.FOLLOWS,
    AwaitAssay: Class.FOLLOWS,
    TakeAssay: Class.FOLLOWS,
    ProposeHolding: Class.PREPARES,
    CommitHolding: Class.FOLLOWS,
    RefuseHolding: Class.FOLLOWS,
    ApproveHolding: Class.MOVES_VALUE,
    WithdrawHolding: _of_holding("cancel_commitment", _nothing, lambda command, holding: of_another(command.by, holding.proposal)),
    CancelUncalled: _of_holding("cancel_commitment", lambda _, holding: holding.figures.uncalled_minor),
    SubscribeShares: _of_holding("trade_shares", lambda command, _: command.amount_minor),
    ValueHolding: _of_holding("value_holding", lambda command, _: command.value_minor),
    ReceiveDividend: Class.EXERCISES,  # money that came, as a payment is
    ReverseDividend: _of_holding("reverse_payment", lambda command, holding: holding.dividends.get(command.flow, 0)),
    DivestShares: _of_holding("trade_shares", _of_cost),
    ProposeWriteDown: Class.PREPARES,
    ApproveWriteDown: Class.MOVES_VALUE,
    WithdrawWriteDown: _of_holding(
        "write_down", _nothing, lambda command, held: of_another(command.by, held.write_downs.get(command.flow))
    ),
    OfferMaterialLoan: Class.FOLLOWS,
    WithdrawOffer: Class.FOLLOWS,
    WithdrawMaterialLoan: Countersigned("cancel_release", _award),  # two have signed the award
    ProposeTerms: Class.PREPARES,
    ApproveTerms: Class.MOVES_VALUE,
    CommitMaterialLoan: Class.FOLLOWS,
    RefuseMaterialLoan: Class.FOLLOWS,
    RecordLent: Class.FOLLOWS,
    RecordTakenBack: Class.FOLLOWS,
    EndDrawing: Class.FOLLOWS,
    CheckDue: Class.FOLLOWS,
    CheckCall: Class.FOLLOWS,
    ProposeDeferral: Class.PREPARES,
    ApproveDeferral: Class.MOVES_VALUE,
    ReceiveReturn: Class.EXERCISES,  # it waits for the Reserve's own assay
    AssayReturn: _of_material("settle_return", None, _returned_g),
    WithdrawReturn: _of_material("settle_return", None, _returned_g),
    RegisterLaboratory: Countersigned("register_laboratory", _of_laboratory),
    EndLaboratory: Class.PROTECTS,  # nothing is settled by its assays any more
    ConfirmLaboratoryEnd: Class.PROTECTS,  # by another than has ended it
    LapseLaboratoryEnd: Class.FOLLOWS,
    CreditReturn: Class.FOLLOWS,
    TurnBackReturn: Class.FOLLOWS,
    MarkSecurity: _of_material("mark_security", _owed_minor, _owed_g),
    TopUpSecurity: _of_material("mark_security", lambda command, _: command.amount_minor, lambda *_: 0),  # a call is met by it
    SettleInCash: _of_material("settle_in_cash", _owed_minor, _owed_g),
    DeclareMaterialDefault: Class.PROTECTS,  # of what is overdue: nothing is bought for it, or taken, until two people have done so
    ConfirmMaterialDefault: Class.PROTECTS,  # by another than has declared it
    LapseMaterialDefault: Class.FOLLOWS,
    RecordReplacement: _of_material("record_replacement", lambda command, _: command.cost_minor, lambda command, _: command.bought_g),
    ReportReach: Class.FOLLOWS,
}


def _cited(state: Any, proposal: str, cited: Cited) -> AuthorityCited:
    return AuthorityCited(matter=getattr(state, "id", None) or proposal, cited=cited)


EVENTS = ProposalEvents(proposed=CommandProposed, approved=CommandApproved, withdrawn=CommandWithdrawn, lapsed=CommandLapsed, cited=_cited)
