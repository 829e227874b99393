"""What allocation answers, and what it is asked. Made from docs/api by generate.py: change it there."""

from datetime import date, datetime

from msgspec import Struct, field


class Entitlement(Struct, frozen=True, kw_only=True):
    """Of one product, today: the most that rounds award in this year of the agreement, and what of it is left."""

    product: str
    agreement: str
    year_from: date
    yearly_quota_g: int
    used_g: int
    left_g: int


class OwnKey(Struct, frozen=True, kw_only=True):
    key: str
    enrolled_on: date


class Power(Struct, frozen=True, kw_only=True):
    """An instrument that the caller holds, or acts under as somebody's officer, and that is in force today. No product: all of
    them."""

    instrument: str
    title: str
    office: str
    acts: list[str]
    products: list[str]
    limit_g: int | None
    limit_minor: int | None
    currency: str | None
    valid_until: date


class Me(Struct, frozen=True, kw_only=True):
    """`subject`: how approvals and events name the caller. `keys`, `powers`: of who decides; `entitlements`: of a partner."""

    subject: str
    client: str
    roles: list[str]
    partner: str | None
    nominee: str | None
    borrower: str | None
    keys: list[OwnKey]
    powers: list[Power]
    entitlements: list[Entitlement]


class AgreementTerms(Struct, frozen=True, kw_only=True):
    product: str
    yearly_quota_g: int
    share: str


class Agreement(Struct, frozen=True, kw_only=True):
    """While it is suspended nothing is asked for, decided or certified under it, and what is released is held."""

    agreement: str
    partner: str
    products: list[AgreementTerms]
    priority_class: int
    valid_from: date
    valid_until: date
    ended: bool
    suspended: bool
    key_fingerprint: str | None = None
    suspended_by: str | None = None
    suspension_confirmed_by: str | None = None
    suspension_lapses_at: datetime | None = None


class StatementBody(Struct, frozen=True, kw_only=True):
    """Why it is asked for, in the partner's words."""

    alternatives: str = ""
    duration_days: int = 0
    event: str = ""
    impact: str = ""
    quality: str = ""


class RequestTaken(Struct, frozen=True, kw_only=True):
    """`whole_units_g`: what whole trade units make of it, as stock is now; None: the product's units are not known. `note`: what
    is cut."""

    request: str
    product: str
    partner: str
    # one of submitted, accepted, declined, withdrawn, expired, awarded
    status: str
    mass_g: int
    minimum_g: int
    accepted_g: int | None
    reasons: list[str]
    lapses_at: datetime | None
    daily_consumption_g: int
    days_of_cover_asked: str
    needed_by: date
    nominee: str
    consignee: str
    end_user: str
    end_use: str
    least_contents: dict[str, str]
    excluded_origins: list[str]
    statement: StatementBody
    round: str | None
    # one of sale, loan
    kind: str
    return_on: date | None
    whole_units_g: int | None
    note: str | None


class RequestBody(Struct, frozen=True, kw_only=True):
    product: str
    mass_g: int
    daily_consumption_g: int
    needed_by: date
    nominee: str
    consignee: str
    end_user: str
    end_use: str
    excluded_origins: list[str] = field(default_factory=list)
    # one of sale, loan
    kind: str = "sale"
    least_contents: dict[str, str] = field(default_factory=dict)
    minimum_g: int = 0
    return_on: date | None = None
    # sent with a signature: drawn for this alone; salts of what is typed follow from it
    salt: str | None = None
    # of a partner that has keys: `key:signature`, over its paper
    signature: str | None = None
    statement: StatementBody = field(default_factory=StatementBody)


class Request(Struct, frozen=True, kw_only=True):
    request: str
    product: str
    partner: str
    # one of submitted, accepted, declined, withdrawn, expired, awarded
    status: str
    mass_g: int
    minimum_g: int
    accepted_g: int | None
    reasons: list[str]
    lapses_at: datetime | None
    daily_consumption_g: int
    days_of_cover_asked: str
    needed_by: date
    nominee: str
    consignee: str
    end_user: str
    end_use: str
    least_contents: dict[str, str]
    excluded_origins: list[str]
    statement: StatementBody
    round: str | None
    # one of sale, loan
    kind: str
    return_on: date | None


class Milestone(Struct, frozen=True, kw_only=True):
    """`reached_on` null and `reached_g` above 0: part of the award is there."""

    # one of screened, decided, secured, cleared, dispatched, delivered
    milestone: str
    limit_on: date | None
    reached_on: date | None
    reached_g: int
    of_g: int
    warned_on: date | None
    breach_told_on: date | None


class Clock(Struct, frozen=True, kw_only=True):
    request: str
    product: str
    partner: str
    clock: str | None
    # one of running, paused, delivered, ended
    status: str
    submitted_on: date | None
    # one of screened, decided, secured, cleared, dispatched, delivered
    next: str | None
    limit_on: date | None
    breached: bool
    paused_since: date | None
    pause_reason: str | None
    pause_lapses_at: datetime | None
    ended: str | None
    milestones: list[Milestone]


class RequestDetail(Struct, frozen=True, kw_only=True):
    request: str
    product: str
    partner: str
    # one of submitted, accepted, declined, withdrawn, expired, awarded
    status: str
    mass_g: int
    minimum_g: int
    accepted_g: int | None
    reasons: list[str]
    lapses_at: datetime | None
    daily_consumption_g: int
    days_of_cover_asked: str
    needed_by: date
    nominee: str
    consignee: str
    end_user: str
    end_use: str
    least_contents: dict[str, str]
    excluded_origins: list[str]
    statement: StatementBody
    round: str | None
    # one of sale, loan
    kind: str
    return_on: date | None
    whole_units_g: int | None
    note: str | None
    clock: Clock | None


class RequestChange(Struct, frozen=True, kw_only=True):
    request: str
    # one of submitted, accepted, declined, withdrawn, expired, awarded
    status: str
    accepted_g: int | None = None


class Award(Struct, frozen=True, kw_only=True):
    award: str
    round: str
    request: str
    product: str
    partner: str
    mass_g: int
    daily_consumption_g: int
    days_of_cover: str
    decision: str
    expires_on: date
    # one of granted, released, withdrawn, renounced
    status: str
    return_on: date | None
    failed_g: int
    superseded_by: str | None = None


class Approval(Struct, frozen=True, kw_only=True):
    subject: str
    key: str
    signature: str
    approved_on: date


class RoundAward(Struct, frozen=True, kw_only=True):
    award: str
    request: str
    partner: str
    mass_g: int
    days_of_cover: str


class Quorum(Struct, frozen=True, kw_only=True):
    above_g: int
    approvals: int


class Round(Struct, frozen=True, kw_only=True):
    """`awards`: of a certified round; what is proposed is in its decision. A partner sees its own requests and awards only."""

    round: str
    product: str
    # one of open, proposed, certified, released, cancelled
    status: str
    requests: list[str]
    rule: str
    policy: str
    policy_version: int
    disruption: str | None
    approvals_needed: int
    summed_g: int | None
    quorum: list[Quorum]
    release_days: int
    opened_on: date
    decision: str | None
    proposed_by: str | None
    supply_g: int | None
    left_g: int | None
    approvals: list[Approval]
    awards: list[RoundAward]
    open_objections: list[str]
    expires_on: date | None
    certified_in: str | None
    ratification: str | None
    ratify_by: datetime | None
    superseded_by: str | None
    reason: str | None


class PartnerKeyChange(Struct, frozen=True, kw_only=True):
    key: str
    partner: str
    revoked: bool
