"""The terms that a request is made under, remembered for a moment: a partner asks by the hundred, and the query would cost more than the
request does. What this process changes is forgotten at once; what another one does counts a second later, here. A round looks the terms up
itself when it is proposed and certified."""

import time
from datetime import date
from weakref import WeakKeyDictionary

from services.allocation.api.lookups import valid_terms
from services.allocation.domain.book_lapses import TermsRead
from services.allocation.events import PartnerCode
from shared.http import Reads
from shared.service import Kernel

REMEMBERED_S = 1.0
MOST = 10_000

type _Key = tuple[str, PartnerCode, date]
type _Remembered = dict[_Key, tuple[float, TermsRead]]

_of: WeakKeyDictionary[Kernel, _Remembered] = WeakKeyDictionary()


async def terms_of(reads: Reads, product: str, partner: PartnerCode, on: date) -> TermsRead | None:
    """As `valid_terms` has them, or had them within the last second. That there are none is never remembered."""
    remembered = _of.setdefault(reads.kernel, {})
    key, now = (product, partner, on), time.monotonic()
    if (found := remembered.get(key)) is not None and now < found[0] + REMEMBERED_S:
        return found[1]
    async with reads.session() as session:
        terms = (await valid_terms(session, product, [partner], on)).get(partner)
    if terms is not None:
        if len(remembered) >= MOST:
            remembered.clear()
        remembered[key] = (now, terms)
    return terms


def forget_terms(kernel: Kernel) -> None:
    """An agreement has changed here."""
    _of.pop(kernel, None)
