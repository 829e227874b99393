"""Balances, and which postings overdraw an account."""

from services.ledger.accounts import Balance, Key, Overdraft, Posting, Side, Status, post, unit_of

AVAILABLE = Key(Side.TITLE, "antimony-metal", "reserve/available")


def posting(amount: int, status: Status = Status.POSTED, account: str = "reserve/available") -> Posting:
    return Posting(Side.TITLE, "antimony-metal", account, amount, status)


def test_what_is_promised_is_not_free():
    books = {AVAILABLE: Balance(10)}
    assert post(books, [posting(-4, Status.PENDING)]) == []
    assert books[AVAILABLE] == Balance(10, -4)
    assert books[AVAILABLE].free == 6


def test_what_is_promised_to_an_account_does_not_count_yet():
    assert Balance(10, 4).free == 10


def test_a_promise_beyond_what_is_free_overdraws():
    books = {AVAILABLE: Balance(10, -8)}
    assert post(books, [posting(-3, Status.PENDING)]) == [Overdraft(AVAILABLE, Balance(10, -11))]


def test_a_draw_of_all_that_was_promised_does_not():
    books = {AVAILABLE: Balance(10, -10)}
    assert post(books, [posting(10, Status.SETTLED), posting(-10)]) == []
    assert books[AVAILABLE] == Balance(0, 0)


def test_a_draw_beyond_its_release_overdraws_the_release():
    account = "partner/JP/release/rel_1"
    key = Key(Side.TITLE, "antimony-metal", account)
    books = {key: Balance(0, 5)}
    assert post(books, [posting(-6, Status.SETTLED, account)]) == [Overdraft(key, Balance(0, -1))]


def test_an_event_that_brings_an_overdrawn_account_nearer_to_zero_is_no_overdraft():
    books = {AVAILABLE: Balance(-10)}
    assert post(books, [posting(4)]) == []


def test_where_grams_come_from_goes_below_zero():
    assert post({}, [posting(-4, account="outside"), posting(-4, account="project/Hillgrove")]) == []


def test_a_partner_owns_its_accounts_and_those_below_them():
    owners = {account: Key(Side.TITLE, "x", account).partner for account in ("partner/JP", "partner/JP/release/rel_1", "reserve/available")}
    assert owners == {"partner/JP": "JP", "partner/JP/release/rel_1": "JP", "reserve/available": None}


def test_money_is_counted_in_minor_units_and_all_else_in_grams():
    assets = ("antimony-metal", "contained/Sb", "aud", "AUD", "JPY")
    assert {asset: unit_of(asset) for asset in assets} == dict(zip(assets, ("g", "g", "g", "minor", "minor"), strict=True))
