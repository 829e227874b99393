"""Agreements: signed, amended, ended; and the year that a quota counts in."""

from datetime import date
from typing import Any

import pytest

from services.allocation.domain.partners.agreement import (
    DECIDER,
    AmendAgreement,
    EndAgreement,
    Reason,
    ResumeAgreement,
    SignAgreement,
    SuspendAgreement,
    year_from,
)
from services.allocation.events import (
    AgreementAmended,
    AgreementEnded,
    AgreementId,
    AgreementResumed,
    AgreementSigned,
    AgreementSuspended,
    PartnerCode,
    ProductId,
    ProductTerms,
)
from tests.stories.given import Given

TODAY = date(2026, 1, 6)


def terms(product: str = "antimony-metal", share: str = "1/4") -> ProductTerms:
    return ProductTerms(product=ProductId(product), yearly_quota_g=1_000_000, share=share)


def sign(**changes: Any) -> SignAgreement:
    told: dict[str, Any] = {
        "agreement": AgreementId("agr_1"),
        "partner": PartnerCode("JP"),
        "products": (terms(), terms("gallium-4n")),
        "priority_class": 0,
        "valid_from": date(2025, 7, 1),
        "valid_until": date(2030, 6, 30),
        "on": TODAY,
    }
    return SignAgreement(**(told | changes))


def amend(**changes: Any) -> AmendAgreement:
    told: dict[str, Any] = {
        "products": (terms(),),
        "priority_class": 1,
        "valid_until": date(2031, 6, 30),
        "reason": "review",
        "on": TODAY,
    }
    return AmendAgreement(**(told | changes))


END = EndAgreement(reason="withdrawn")
SUSPEND = SuspendAgreement(hold="hld_1", reason="arrears")
RESUME = ResumeAgreement(reason="paid")


def test_an_agreement_is_signed_once():
    [event] = Given(DECIDER).when(sign()).events
    assert isinstance(event, AgreementSigned)
    assert [each.product for each in event.products] == ["antimony-metal", "gallium-4n"]
    Given(DECIDER, sign()).when(sign()).refused(Reason.ALREADY_SIGNED)


def test_an_amendment_gives_the_terms_in_full_and_names_the_products_dropped():
    [event] = Given(DECIDER, sign()).when(amend()).events
    assert isinstance(event, AgreementAmended)
    assert (event.agreement, event.partner, event.priority_class) == ("agr_1", "JP", 1)
    assert event.dropped == ("gallium-4n",)


def test_an_ended_agreement_names_the_products_that_it_was_about():
    [event] = Given(DECIDER, sign(), amend()).when(END).events
    assert isinstance(event, AgreementEnded)
    assert event.products == ("antimony-metal",)


def test_a_suspended_agreement_is_resumed_with_the_hold_that_it_was_suspended_with():
    [suspended] = Given(DECIDER, sign()).when(SUSPEND).events
    assert isinstance(suspended, AgreementSuspended)
    assert suspended.products == ("antimony-metal", "gallium-4n")
    agreement = Given(DECIDER, sign(), SUSPEND)
    agreement.when(SuspendAgreement(hold="hld_2", reason="again")).refused(Reason.SUSPENDED)
    [resumed] = agreement.when(RESUME).events
    assert isinstance(resumed, AgreementResumed)
    assert (resumed.hold, resumed.products) == ("hld_1", suspended.products)
    Given(DECIDER, sign(), SUSPEND, RESUME).when(RESUME).refused(Reason.NOT_SUSPENDED)


def test_a_suspended_agreement_is_resumed_by_its_end_and_is_not_amended():
    agreement = Given(DECIDER, sign(), SUSPEND)
    agreement.when(amend()).refused(Reason.SUSPENDED)
    resumed, ended = agreement.when(END).events
    assert isinstance(resumed, AgreementResumed)
    assert (resumed.hold, resumed.reason) == ("hld_1", "the agreement ends")
    assert isinstance(ended, AgreementEnded)
    assert Given(DECIDER, sign(), SUSPEND, END).state.hold is None
    Given(DECIDER, sign(), SUSPEND, END).when(SUSPEND).refused(Reason.ENDED)


def test_what_has_ended_is_not_amended_or_ended_again():
    agreement = Given(DECIDER, sign(), END)
    agreement.when(amend()).refused(Reason.ENDED)
    agreement.when(END).refused(Reason.ENDED)


def test_what_was_never_signed_is_not_amended_or_ended():
    Given(DECIDER).when(amend()).refused(Reason.NOT_FOUND)
    Given(DECIDER).when(END).refused(Reason.NOT_FOUND)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"products": ()}, Reason.NO_PRODUCTS),
        ({"products": (terms(), terms())}, Reason.PRODUCT_TWICE),
        ({"valid_until": date(2026, 1, 5)}, Reason.DATE_IN_PAST),
        ({"valid_until": date(2025, 6, 30)}, Reason.DATES_REVERSED),
        *(({"products": (terms(share=share),)}, Reason.SHARE_INVALID) for share in ("0", "5/4", "-1/4", "2/8", "0.25", "NaN", "1/0", "")),
    ],
)
def test_terms_that_make_no_sense_are_refused(changes: dict[str, Any], reason: Reason):
    Given(DECIDER).when(sign(**changes)).refused(reason)
    Given(DECIDER, sign()).when(amend(**changes)).refused(reason)


@pytest.mark.parametrize(
    ("valid_from", "on", "begins"),
    [
        (date(2025, 7, 1), date(2026, 1, 6), date(2025, 7, 1)),
        (date(2025, 7, 1), date(2026, 6, 30), date(2025, 7, 1)),
        (date(2025, 7, 1), date(2026, 7, 1), date(2026, 7, 1)),
        (date(2024, 2, 29), date(2025, 2, 28), date(2024, 2, 29)),
        (date(2024, 2, 29), date(2025, 3, 1), date(2025, 3, 1)),
        (date(2024, 2, 29), date(2028, 2, 29), date(2028, 2, 29)),
    ],
)
def test_a_year_of_an_agreement_begins_on_its_anniversary(valid_from: date, on: date, begins: date):
    assert year_from(valid_from, on) == begins
