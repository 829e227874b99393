"""Shapes that inventory's events had before, brought to those that they have now. Whoever reads inventory's journal needs them."""

from collections.abc import Mapping

from shared.journal.codec import Upcaster
from shared.journal.texts import plain_before

UPCASTERS: Mapping[str, Upcaster] = plain_before(
    {
        "inventory.protected_stock_set": "authority reason",
        "inventory.receipt_grade_set": "reason",
        "inventory.hold_put_on": "reason authority",
        "inventory.hold_lifted": "reason",
        "inventory.release_cancelled": "reason",
        "inventory.dispatch_corrected": "reason",
        "inventory.draw_returned": "reason",
        "inventory.draw_delivered": "received_by evidence",
        "inventory.stock_adjusted": "reason",
        "inventory.assignment_delivered": "evidence",
        "inventory.delivery_postponed": "evidence",
        "inventory.command_withdrawn": "reason",
    }
)
