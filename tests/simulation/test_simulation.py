"""The kernel as it is, through the usual seeds; `make simulate SEEDS=...` runs more of them."""

from collections import Counter
from typing import get_args

import pytest

from services.allocation import events as allocation
from services.inventory import events as inventory
from services.loans import events as loans
from shared.journal.codec import type_of
from tests.simulation.chance import Fault
from tests.simulation.workers import Report, Task, Workers

LONG = range(1000, 1200)
UNPROVOKED = {
    "inventory.return_refused.v1",  # a lot that a depot cannot take in, though it is settled
    "loans.return_turned_back.v1",
    # no client here names accounts or asks for another consignee
    "allocation.consignee_change_approved.v2",
    "allocation.consignee_change_asked.v2",
    "allocation.consignee_change_refused.v2",
    "allocation.consignee_hit_decided.v2",
    "allocation.consignee_screened.v1",
    "allocation.consignee_hit_lapsed.v1",
    "allocation.screening_hit_lapsed.v1",
    "allocation.person_named.v1",
    "allocation.ceremony_entered.v1",  # nor begins a reserve over HTTP
    # nor what people type: they send commands without the API, and so without texts
    "allocation.text_erased.v1",
    "inventory.text_erased.v1",
    "loans.text_erased.v1",
    # nor confirms what another has stopped, corrects a carrier's name, or leads a loan out of its default
    "allocation.agreement_suspension_confirmed.v1",
    "allocation.request_decline_lapsed.v1",  # some day, in a long run
    "allocation.approver_key_revocation_confirmed.v1",
    "allocation.instrument_end_confirmed.v1",
    # an official declares what is theirs alone, and revokes their own key
    "allocation.conflict_confirmed.v1",
    "allocation.conflict_lapsed.v1",
    "allocation.review_lapsed.v1",
    "allocation.approver_key_restored.v1",
    "inventory.dispatch_corrected.v2",
    # a stand-in for the ledger is always reached
    "allocation.log_reach_reported.v1",
    "inventory.log_reach_reported.v1",
    "loans.log_reach_reported.v1",
    "allocation.partner_tallied.v1",  # nor is it asked what it holds of a partner
    # nor does anybody park a message
    *(
        f"{service}.{event}.v1"
        for service in ("allocation", "inventory", "loans")
        for event in ("message_parked", "parking_confirmed", "parking_lapsed", "messages_unparked")
    ),
    "inventory.receipt_grade_set.v2",  # there are no witnesses
    "inventory.weighing_tolerance_set.v1",  # scales are as wrong as they are
    "allocation.partner_key_registered.v1",  # no partner signs its draws
    "allocation.partner_key_revoked.v1",
    # nor is on call at night
    "inventory.difference_overdue.v1",
    "inventory.difference_settled.v1",
    "inventory.draw_moved.v1",
    "inventory.draw_weighed_again.v1",
    "inventory.lot_moved.v1",
    "inventory.move_ratification_missed.v1",
    "inventory.move_ratified.v1",
    "inventory.hold_confirmed.v1",
    # nor confirms or lapses what one person said of a loan, or ended
    "loans.breach_confirmed.v1",
    "loans.breach_lapsed.v1",
    "loans.default_confirmed.v1",
    "loans.laboratory_end_confirmed.v1",
    "loans.laboratory_end_lapsed.v1",
    "loans.material_default_confirmed.v1",
    "loans.payee_end_confirmed.v1",
    "loans.payee_end_lapsed.v1",
    "loans.acceleration_notified.v1",
    "loans.cross_default_noted.v1",
    "loans.reference_rate_registered.v1",  # no loan here follows a rate that is published
    "loans.reference_rate_published.v1",
    "loans.reference_rate_followed.v1",
    "loans.reference_rate_left.v1",
    "loans.default_cured.v1",
    "loans.loan_accelerated.v1",
    "loans.material_default_cured.v1",
    "loans.shortfall_claimed.v1",
}


def test_nothing_is_lost_doubled_or_forked(usual: list[Report]) -> None:
    assert usual
    _assert_sound(usual)


@pytest.mark.long
def test_nothing_is_lost_doubled_or_forked_in_many_seeds(workers: Workers) -> None:
    """And in them, every fault and every kind of event is met: else the runs would be quiet ones, and prove nothing."""
    reports = list(workers.run(Task(seed) for seed in LONG))
    _assert_sound(reports)
    kinds = {type_of(event) for union in (inventory.Event, allocation.Event, loans.Event) for event in get_args(union.__value__)}
    met = Counter[str]()
    for report in reports:
        met.update(report.met)
    assert {*Fault, *kinds} - UNPROVOKED <= met.keys()


def _assert_sound(reports: list[Report]) -> None:
    failed = [report.told() for report in reports if report.faults]
    assert not failed, "\n\n".join(failed)


def test_the_usual_seeds_meet_every_fault(usual: list[Report]) -> None:
    assert set(Fault) <= {fault for report in usual for fault in report.met}


def test_a_seed_is_the_same_run_in_every_process(workers: Workers, usual: list[Report]) -> None:
    again = {report.seed: report.digest for report in workers.run([Task(seed) for seed in range(7, -1, -1)])}
    first = {report.seed: report.digest for report in usual}
    assert again == {seed: first[seed] for seed in range(8)}
    assert len(set(first.values())) == len(usual)
