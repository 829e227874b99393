"""Powers: a person who may do everything that stories do, under one act of parliament."""

from datetime import date
from typing import Any

from shared.terms.authority import Authority, Capacity, Kind

ACTS = frozenset(
    {
        "open_protected_stock",
        "set_receipt_grade",
        "set_weighing_tolerance",
        "lift_hold",
        "cancel_release",
        "erase_text",
        "register_product",
        "take_in_stock",
        "rule_assay",
        "adjust_stock",
        "add_right",
        "accept_weight",
        "return_draw",
        "commit_loan",
        "commit_holding",
        "lend_material",
        "amend_conditions",
        "waive_condition",
        "write_off",
        "write_down",
        "tender",
        "set_limits",
        "record_rate",
        "import_loan",
        "register_payee",
        "cancel_commitment",
        "reverse_payment",
        "record_recovery",
        "reset_rate",
        "charge_fee",
        "cure_covenant",
        "regrade",
        "close_loan",
        "agree_offtake",
        "trade_shares",
        "value_holding",
        "register_laboratory",
        "settle_return",
        "mark_security",
        "settle_in_cash",
        "record_replacement",
        "sign_agreement",
        "declare_disruption",
        "clear_hit",
        "screening_list",
        "withdraw_conflict",
        "postpone_delivery",
        "exercise_right",
        "agree_programme",
        "accept_delivery",
        "accept_substitute",
        "take_back_right",
        "terminate_right",
    }
)
INSTRUMENT = "ins_01jh7qmxw4e0aayfkn3d1a2b3c"


def may(by: str, on: date, *, conflicts: frozenset[str] = frozenset(), **changes: Any) -> Capacity:
    """`changes`: of the act that they hold, such as a limit."""
    given: dict[str, Any] = {
        "id": INSTRUMENT,
        "version": 1,
        "kind": Kind.ACT,
        "under": None,
        "holder": by,
        "acts": ACTS,
        "valid_from": date(2020, 1, 1),
        "valid_until": date(2099, 12, 31),
    }
    return Capacity(by=by, on=on, held=((Authority(**(given | changes)),),), conflicts=conflicts)
