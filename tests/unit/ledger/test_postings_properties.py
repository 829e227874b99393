"""Whatever is asked of a stockpile: the books balance, on each side, and say what the stockpile says."""

from collections import Counter
from collections.abc import Mapping

from hypothesis import given, settings

from services.inventory.domain.state import in_stock_g, short_g
from services.ledger.accounts import Balance, Key, Side, post
from services.ledger.postings import postings
from tests.stories.stockpile import ANTIMONY, reserved_g
from tests.stories.stockpile_by_chance import histories, stories
from tests.stories.two_opinions import both_say_the_same

type Books = Mapping[Key, Balance]


def of(books: Books, side: Side, account: str) -> Balance:
    return books.get(Key(side, ANTIMONY, account), Balance())


def total_g(books: Books, side: Side, *prefixes: str) -> int:
    return sum(balance.posted for key, balance in books.items() if key.side is side and key.account.startswith(prefixes))


@given(stories)
@settings(max_examples=40, deadline=None)
def test_each_events_postings_sum_to_zero_on_each_side_and_status_and_are_what_the_audit_says(story):
    for _, _, events, _ in histories(story):
        for event in events:
            sums = Counter[tuple[object, ...]]()
            for (side, asset, _, status), amount in both_say_the_same(event).items():
                sums[side, asset, status] += amount
            assert not any(sums.values())


@given(stories)
@settings(max_examples=40, deadline=None)
def test_the_books_say_what_the_stockpile_says(story):
    books: dict[Key, Balance] = {}
    for _, _, events, state in histories(story):
        for event in events:
            post(books, postings(event))
        available = of(books, Side.TITLE, "reserve/available")
        assert available == Balance(in_stock_g(state), -reserved_g(state))
        assert of(books, Side.TITLE, "reserve/quarantined") == Balance(state.quarantined_g, 0)
        assert of(books, Side.TITLE, "reserve/rights") == Balance(0, -state.reserved_rights_g)
        for release_id, release in state.releases.items():
            assert of(books, Side.TITLE, f"partner/{release.partner}/release/{release_id}") == Balance(0, release.mass_g)
        for right_id, claim in state.rights.items():
            assert of(books, Side.TITLE, f"right/{right_id}") == Balance(claim.mass_g, 0)
        pending = sum(balance.pending for key, balance in books.items() if "/release/" in key.account)
        assert pending == sum(release.mass_g for release in state.releases.values())


@given(stories)
@settings(max_examples=40, deadline=None)
def test_what_is_owned_is_in_somebodys_custody(story):
    books: dict[Key, Balance] = {}
    for _, _, events, state in histories(story):
        for event in events:
            post(books, postings(event))
        claims_g = total_g(books, Side.TITLE, "partner/JP/rights", "partner/US/rights")
        partners_g = total_g(books, Side.TITLE, "partner/") - claims_g
        reserve_g = total_g(books, Side.TITLE, "reserve/")
        assert reserve_g + partners_g == total_g(books, Side.CUSTODY, "depot/", "carrier/")
        weighed_g = sum(draw.mass_g if draw.weighed_g is None else draw.weighed_g for draw in state.draws.values())
        assert total_g(books, Side.CUSTODY, "depot/") == reserve_g + weighed_g
        assert not [key for key, balance in books.items() if key.account.startswith("depot/") and balance.posted < 0]


@given(stories)
@settings(max_examples=40, deadline=None)
def test_only_a_release_left_short_by_an_assay_overdraws_an_account(story):
    books: dict[Key, Balance] = {}
    before_g = 0
    for _, _, events, state in histories(story):
        overdrafts = [overdraft for event in events for overdraft in post(books, postings(event))]
        assert {overdraft.key.account for overdraft in overdrafts} <= {"reserve/available"}
        assert not overdrafts or max(before_g, short_g(state)) > 0  # a right may make good in the same draw what the assay took
        before_g = short_g(state)
