"""Shapes that loans' events had before, brought to those that they have now. Whoever reads loans' journal needs them."""

from collections.abc import Mapping

from shared.journal.codec import Upcaster
from shared.journal.texts import plain_before

UPCASTERS: Mapping[str, Upcaster] = plain_before({"loans.command_withdrawn": "reason"})
