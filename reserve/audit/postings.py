"""Postings: what every event posts, by a table. The ledger works it out in code; the audit shares none of that, and comes to the same.

A row moves an amount from one account to another, so that each side sums to zero by itself: on the title side (whose it is), on the custody
side (who has it), or of what is pending on the title side. `{depot}` in an account is that member of the event. An amount is a member, or
some of them added up; that of parcels is their mass. `depot/*` is every depot of the event's parcels (`depot/*before`: of those in its
member `before`), each for its share of the amount.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from reserve.audit.evidence import PostedLine
from shared.journal.codec import type_of, without_version


class Row(NamedTuple):
    book: str  # "title" or "custody"; or what becomes of a pending title: "pending", "settled" or "voided"
    source: str
    target: str
    amount: str  # "mass_g", "mass_g-rights_g"


_RELEASE = "partner/{partner}/release/{release}"
_LOAN = ("facility/{facility}/committed", "loan/{loan}/commitment")
_HOLDING = ("facility/{facility}/committed", "holding/{holding}/commitment")
_RETURN = ("partner/{partner}/loan/{loan}/returning", "lending/{loan}/stock", "pending_g")

# In grams of a product. What a release reserves of lots is all but its rights.
_PRODUCTS = {
    "inventory.lot_taken_in.v1": (
        Row("title", "outside", "reserve/{status}", "mass_g"),
        Row("custody", "outside", "depot/{depot}", "mass_g"),
    ),
    "inventory.assay_recorded.v1": (Row("title", "reserve/{from_status}", "reserve/{to_status}", "mass_g"),),
    "inventory.stock_adjusted.v1": (
        Row("title", "{cause}", "reserve/{status}", "change_g"),
        Row("custody", "{cause}", "depot/{depot}", "change_g"),
    ),
    "inventory.right_added.v1": (Row("title", "project/{project}", "right/{right}", "mass_g"),),
    "inventory.right_matured.v1": (Row("title", "right/{right}", "project/{project}", "settled_g"),),
    "inventory.stock_released.v1": (
        Row("pending", "reserve/available", _RELEASE, "mass_g-rights_g"),
        Row("pending", "reserve/rights", _RELEASE, "rights_g"),
    ),
    "inventory.release_lapsed.v1": (
        Row("voided", "reserve/available", _RELEASE, "mass_g-rights_g"),
        Row("voided", "reserve/rights", _RELEASE, "rights_g"),
    ),
    "inventory.release_cancelled.v1": (
        Row("voided", "reserve/available", _RELEASE, "mass_g-rights_g"),
        Row("voided", "reserve/rights", _RELEASE, "rights_g"),
    ),
    "inventory.stock_drawn.v1": (
        Row("settled", "reserve/available", _RELEASE, "mass_g"),
        Row("title", "reserve/available", "partner/{partner}", "mass_g"),
    ),
    "inventory.assignment_delivered.v1": (Row("title", "partner/{partner}/rights", "partner/{partner}", "mass_g"),),
    "inventory.assignment_failed.v1": (Row("title", "partner/{partner}/rights", "project/{project}", "mass_g"),),
    "inventory.assignment_closed.v1": (Row("title", "partner/{partner}/rights", "project/{project}", "mass_g"),),
    "inventory.assignment_substituted.v1": (Row("title", "partner/{partner}/rights", "project/{project}", "mass_g"),),
    "inventory.assignment_given_back.v1": (Row("title", "partner/{partner}/rights", "right/{right}", "mass_g"),),
    "inventory.right_terminated.v1": (Row("title", "right/{right}", "project/{project}", "mass_g"),),
    "inventory.right_assigned.v1": (
        Row("settled", "{source}", _RELEASE, "mass_g"),
        Row("title", "right/{right}", "partner/{partner}/rights", "mass_g"),
    ),
    "inventory.draw_weighed.v1": (  # what the depots held goes out of their books, and what was weighed comes in
        Row("title", "difference/weighing", "partner/{partner}", "difference_g"),
        Row("custody", "depot/*", "difference/weighing", "weighed_g-difference_g"),
        Row("custody", "difference/weighing", "depot/*", "weighed_g"),
    ),
    "inventory.draw_weighed_again.v1": (  # an earlier weighing is taken back, and all that is missing is in suspense
        Row("title", "difference/weighing", "partner/{partner}", "mass_g-before_g"),
        Row("title", "partner/{partner}", "suspense/{draw}", "mass_g-weighed_g"),
        Row("custody", "depot/*", "difference/weighing", "before_g"),
        Row("custody", "difference/weighing", "depot/*", "mass_g"),
        Row("custody", "depot/*", "suspense/{draw}", "mass_g"),
        Row("custody", "suspense/{draw}", "depot/*", "weighed_g"),
    ),
    "inventory.difference_settled.v1": (
        Row("title", "suspense/{draw}", "{cause}", "mass_g"),
        Row("custody", "suspense/{draw}", "{cause}", "mass_g"),
    ),
    "inventory.lot_moved.v1": (Row("custody", "depot/{from_depot}", "depot/{to_depot}", "mass_g"),),
    "inventory.draw_moved.v1": (Row("custody", "depot/*before", "depot/*", "held_g"),),
    "inventory.draw_dispatched.v1": (Row("custody", "depot/*", "carrier/{carrier}", "weighed_g"),),
    "inventory.draw_delivered.v1": (Row("custody", "carrier/{carrier}", "holder/{consignee}", "weighed_g"),),
    "inventory.draw_returned.v1": (
        Row("title", "partner/{partner}", "difference/weighing", "difference_g"),
        Row("title", "partner/{partner}", "reserve/available", "available"),
        Row("title", "partner/{partner}", "reserve/quarantined", "quarantined"),
        Row("custody", "depot/*", "difference/weighing", "mass_g+difference_g"),
        Row("custody", "difference/weighing", "depot/*", "mass_g"),
    ),
}

# In grams of the product that came for another.
_SUBSTITUTES = {
    "inventory.assignment_substituted.v1": (Row("title", "project/{project}", "partner/{partner}", "delivered_g"),),
}

# In minor units of a currency.
_MONEY = {
    "loans.loan_committed.v1": (Row("pending", *_LOAN, "commitment_minor"),),
    "loans.commitment_cancelled.v1": (Row("voided", *_LOAN, "amount_minor"),),
    "loans.advance_paid.v1": (Row("settled", *_LOAN, "amount_minor"),),
    "loans.balance_brought_forward.v1": (Row("settled", *_LOAN, "advanced_minor"),),
    "loans.regraded.v1": (Row("title", "loan/{loan}/provision", "loan/{loan}/provided", "change_minor"),),
    "loans.holding_committed.v1": (Row("pending", *_HOLDING, "commitment_minor"),),
    "loans.uncalled_cancelled.v1": (Row("voided", *_HOLDING, "amount_minor"),),
    "loans.shares_subscribed.v1": (Row("settled", *_HOLDING, "amount_minor"),),
    "loans.holding_closed.v1": (Row("voided", *_HOLDING, "uncalled_minor"),),
    "loans.material_cash_settled.v1": (Row("title", "lending/{loan}/paid", "facility/cash", "amount_minor"),),
    "loans.material_replaced.v1": (
        Row("title", "facility/cash", "lending/{loan}/security", "from_security_minor"),
        Row("title", "facility/cash", "partner/{partner}/loan/{loan}/claim", "cost_minor-from_security_minor"),
    ),
}

# In contained grams of an element.
_CONTAINED = {
    "loans.return_received.v1": (Row("pending", *_RETURN),),
    "loans.return_rejected.v1": (Row("voided", *_RETURN),),
    "loans.return_turned_back.v1": (Row("voided", *_RETURN),),
    "loans.return_credited.v1": (Row("settled", *_RETURN),),
}

# What says by itself how it changes the books of its loan or holding: asset, and the account of each change.
_LOANS_BOOKS = ("{currency}", "loan/{loan}", {"cash": "facility/cash", "goods": "facility/goods"})
_HOLDINGS_BOOKS = ("{currency}", "holding/{holding}", {"cash": "facility/cash"})
_LENT_BOOKS = (
    "contained/{element}",
    "lending/{loan}",
    {"lent": "partner/{partner}/loan/{loan}/lent", "excess": "partner/{partner}/loan/{loan}/excess"},
)
_CHANGES: dict[str, tuple[str, str, Mapping[str, str]]] = {
    "loans.advance_paid.v1": _LOANS_BOOKS,
    "loans.balance_brought_forward.v1": _LOANS_BOOKS,
    "loans.payment_recorded.v1": _LOANS_BOOKS,
    "loans.delivery_credited.v1": _LOANS_BOOKS,
    "loans.payment_reversed.v1": _LOANS_BOOKS,
    "loans.recovery_recorded.v1": _LOANS_BOOKS,
    "loans.rate_reset.v1": _LOANS_BOOKS,
    "loans.fee_charged.v1": _LOANS_BOOKS,
    "loans.period_closed.v1": _LOANS_BOOKS,
    "loans.loan_accelerated.v1": _LOANS_BOOKS,
    "loans.act_approved.v1": _LOANS_BOOKS,
    "loans.shares_subscribed.v1": _HOLDINGS_BOOKS,
    "loans.dividend_received.v1": _HOLDINGS_BOOKS,
    "loans.dividend_reversed.v1": _HOLDINGS_BOOKS,
    "loans.shares_divested.v1": _HOLDINGS_BOOKS,
    "loans.holding_written_down.v1": _HOLDINGS_BOOKS,
    "loans.holding_written_off.v1": _HOLDINGS_BOOKS,
    "loans.material_lent.v1": _LENT_BOOKS,
    "loans.material_taken_back.v1": _LENT_BOOKS,
    "loans.return_credited.v1": _LENT_BOOKS,
    "loans.material_cash_settled.v1": _LENT_BOOKS,
    "loans.material_replaced.v1": _LENT_BOOKS,
}

# Nothing moves by these. Nor by any of allocation: what it has decided, inventory and loans do.
_STILL_OF_INVENTORY = """
    product_registered protected_stock_set receipt_grade_set weighing_tolerance_set hold_put_on hold_confirmed hold_lifted round_held
    round_freed authority_cited
    award_forwarded dispatch_corrected difference_overdue move_ratified move_ratification_missed log_reach_reported
    round_released round_release_refused stock_pinned loan_announced loan_gate_opened material_lent lent_draw_returned
    return_taken_in return_refused decision_taken_back release_extended delivery_postponed
    right_exercised programme_agreed tranche_delivered tranche_closed
    command_proposed command_approved command_withdrawn command_lapsed text_erased
    message_parked parking_confirmed parking_lapsed messages_unparked"""
_STILL_OF_LOANS = """
    facility_opened limits_set rate_recorded headroom_reserved headroom_refused headroom_released borrower_defaulted authority_cited
    log_reach_reported group_set
    loan_proposed loan_imported loan_approved loan_withdrawn commitment_refused conditions_evaluated subsequent_missed act_proposed
    act_withdrawn advance_requested advance_cleared advance_withdrawn arrears_changed ratio_reported loan_defaulted loan_repaid loan_closed
    breach_confirmed breach_lapsed
    acceleration_notified default_confirmed default_cured cross_default_noted shortfall_claimed
    holding_proposed holding_approved holding_withdrawn holding_refused holding_valued write_down_proposed write_down_withdrawn
    material_loan_offered material_loan_withdrawn material_terms_proposed material_terms_approved material_loan_committed
    material_commitment_refused drawing_ended deferral_proposed deferral_approved return_assayed return_settled material_overdue
    security_marked security_topped_up material_defaulted material_default_confirmed material_default_cured material_loan_closed
    project_fact_recorded project_fact_withdrawn project_watched
    reference_rate_registered reference_rate_published reference_rate_followed reference_rate_left
    payee_registered payee_ended payee_end_confirmed payee_end_lapsed payment_reconciled
    laboratory_registered laboratory_ended laboratory_end_confirmed laboratory_end_lapsed
    offtake_agreed offtake_ended delivery_valued delivery_not_valued delivery_quarantined delivery_accepted
    command_proposed command_approved command_withdrawn command_lapsed text_erased
    message_parked parking_confirmed parking_lapsed messages_unparked"""
STILL = {f"inventory.{name}.v1" for name in _STILL_OF_INVENTORY.split()} | {f"loans.{name}.v1" for name in _STILL_OF_LOANS.split()}

_TABLES: dict[str, Mapping[str, tuple[Row, ...]]] = {
    "{product}": _PRODUCTS,
    "{substitute}": _SUBSTITUTES,
    "{currency}": _MONEY,
    "contained/{element}": _CONTAINED,
}
_ACCOUNTS = {  # of a member that is an account under another name
    ("cause", "stock_take"): "difference/stock_take",
    ("cause", "found"): "difference/stock_take",
    ("cause", "measurement"): "difference/weighing",
    ("cause", "weighed_again"): "difference/weighing",
    ("cause", "returned"): "difference/weighing",
    ("source", "lots"): "reserve/available",
    ("source", "rights"): "reserve/rights",
}
MOVING = set[str]().union(_CHANGES, *_TABLES.values())


def first_version(event_type: str) -> str:
    """By which the tables here go: what an event posts is worked out from its newest shape, whatever it was stored in."""
    return f"{without_version(event_type)}.v1"


type _Line = tuple[str, str, str, str]  # side, asset, account, status


def posted_by(event: Any) -> tuple[PostedLine, ...]:
    """What the event posts, each account once for each status. None, which is an event that this build does not know, posts nothing."""
    name = "" if event is None else first_version(type_of(type(event)))
    if not name or name in STILL or name.startswith("allocation."):
        return ()
    assert name in MOVING, f"nobody has decided what {name} posts"
    members = {field: getattr(event, field) for field in event.__struct_fields__}
    told = {field: _ACCOUNTS.get((field, value), value) for field, value in members.items() if isinstance(value, str)}
    sums: dict[_Line, int] = {}
    for line, amount in (*_moved(name, event, told), *_changed(name, event, told)):
        sums[line] = sums.get(line, 0) + amount
    return tuple(PostedLine(side, asset, account, amount, status) for (side, asset, account, status), amount in sums.items() if amount)


def _moved(name: str, event: Any, told: Mapping[str, str]) -> Iterator[tuple[_Line, int]]:
    for asset, table in _TABLES.items():
        for book, source, target, amount in table.get(name, ()):
            side = "custody" if book == "custody" else "title"
            status = "posted" if book in ("title", "custody") else book
            moved = _amount(event, amount) * (-1 if book in ("settled", "voided") else 1)
            for account, sign in ((source, -1), (target, 1)):
                for each, share in _accounts(event, account, moved, told):
                    yield (side, asset.format_map(told), each, status), sign * share


def _changed(name: str, event: Any, told: Mapping[str, str]) -> Iterator[tuple[_Line, int]]:
    if name not in _CHANGES:
        return
    asset, owner, others = _CHANGES[name]
    for field in event.change.__struct_fields__:
        account, _, _unit = field.rpartition("_")
        where = others.get(account, f"{owner}/{account}")
        yield ("title", asset.format_map(told), where.format_map(told), "posted"), getattr(event.change, field)


def _amount(event: Any, formula: str) -> int:
    total = 0
    for sign, member in re.findall(r"([+-]?)(\w+)", formula):
        value = getattr(event, member)
        amount = value if isinstance(value, int) else sum(parcel.mass_g for parcel in value)
        total += -amount if sign == "-" else amount
    return total


def _accounts(event: Any, account: str, amount: int, told: Mapping[str, str]) -> list[tuple[str, int]]:
    """Shares of what the parcels of several depots weigh together are cut where their nominal masses meet, in the order of their names, so
    that all shares are whole grams and add up."""
    if not account.startswith("depot/*"):
        return [(account.format_map(told), amount)]
    parcels = getattr(event, account.removeprefix("depot/*") or "parcels", None) or (*event.available, *event.quarantined)
    depots = sorted({parcel.depot for parcel in parcels})
    nominal = [sum(parcel.mass_g for parcel in parcels if parcel.depot == depot) for depot in depots]
    cuts = [amount * upto // sum(nominal) for upto in accumulate(nominal, initial=0)]
    return [(f"depot/{depot}", end - start) for depot, (start, end) in zip(depots, pairwise(cuts), strict=True)]
