"""Shapes that loans' events had before, brought to those that they have now. Whoever reads loans' journal needs them."""

from collections.abc import Mapping

from shared.journal.codec import Upcaster
from shared.journal.texts import plain_before

UPCASTERS: Mapping[str, Upcaster] = plain_before(
    {
        "loans.command_withdrawn": "reason",
        "loans.act_proposed": "reason",
        "loans.act_withdrawn": "reason",
        "loans.advance_requested": "purpose",
        "loans.advance_withdrawn": "reason",
        "loans.commitment_cancelled": "reason",
        "loans.deferral_proposed": "evidence",
        "loans.dividend_reversed": "reason",
        "loans.fee_charged": "text",
        "loans.holding_valued": "source",
        "loans.holding_withdrawn": "reason",
        "loans.holding_written_down": "reason",
        "loans.holding_written_off": "reason",
        "loans.limits_set": "reason",
        "loans.loan_closed": "reason",
        "loans.loan_defaulted": "reason",
        "loans.loan_withdrawn": "reason",
        "loans.material_defaulted": "reason",
        "loans.material_loan_withdrawn": "reason",
        "loans.material_replaced": "source",
        "loans.offtake_ended": "reason",
        "loans.payment_reversed": "reason",
        "loans.project_fact_recorded": "evidence",
        "loans.project_fact_withdrawn": "reason",
        "loans.rate_recorded": "source",
        "loans.rate_reset": "source",
        "loans.ratio_reported": "source",
        "loans.regraded": "reason",
        "loans.security_marked": "source",
        "loans.uncalled_cancelled": "reason",
        "loans.write_down_proposed": "reason",
        "loans.write_down_withdrawn": "reason",
    }
)
