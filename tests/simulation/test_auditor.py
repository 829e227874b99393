"""The auditor finds what is planted: each of its checks, on the evidence of a sound run that has been tampered with."""

import copy
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from tests.simulation import afterwards_auditor, auditor, loan_auditor, material_auditor, people_auditor, tender_auditor
from tests.simulation.auditor import Evidence
from tests.simulation.workers import ROOT, Report, Task, Workers

FURTHER_SEEDS = 10  # at a time
MOST_SEEDS = 120


class SoundRuns:
    """Evidence of the usual seeds, where nearly everything happens; further ones are run where what is looked for has happened in none."""

    def __init__(self, workers: Workers, usual: list[Report]) -> None:
        self._workers = workers
        self._evidence = evidence_of(usual)
        self._seeds = len(usual)  # that were run

    def __iter__(self) -> Iterator[Evidence]:
        number = 0
        while number < len(self._evidence) or self._run():
            yield self._evidence[number]
            number += 1

    def _run(self) -> bool:
        """Some more of them. False: these are enough."""
        if self._seeds >= MOST_SEEDS:
            return False
        seeds = range(self._seeds, self._seeds + FURTHER_SEEDS)
        self._seeds += FURTHER_SEEDS
        self._evidence += evidence_of(self._workers.run(Task(seed, with_evidence=True) for seed in seeds))
        return True


def evidence_of(reports: Iterable[Report]) -> list[Evidence]:
    return [report.evidence for report in reports if report.evidence is not None]


@pytest.fixture(scope="module")
def sound(workers: Workers, usual: list[Report]) -> SoundRuns:
    return SoundRuns(workers, usual)


def test_the_auditor_shares_no_code_with_what_it_audits() -> None:
    """Whatever it imports is the standard library's, or msgspec."""
    shown = (
        "import sys, tests.simulation.auditor; print([name for name in sys.modules if name.partition('.')[0] in ('services', 'shared')])"
    )
    ran = subprocess.run([sys.executable, "-c", shown], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert ran.stdout == "[]\n", ran.stdout + ran.stderr


def test_a_sound_run_has_no_faults(usual: list[Report]) -> None:
    assert [auditor.audit(evidence) for evidence in evidence_of(usual)] == [[]] * len(usual)


class DidNotHappen(Exception):
    """There is nothing of the kind to tamper with in this run."""


def _records_with(evidence: Evidence, kind: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A shard's records, and those among them that are of this kind."""
    for shards in evidence.journals.values():
        for records in shards.values():
            if found := [record for record in records if record["type"].split(".")[1] == kind]:
                return records, found
    raise DidNotHappen(kind)


def _first(evidence: Evidence, kind: str) -> dict[str, Any]:
    return _records_with(evidence, kind)[1][0]


def _drop(evidence: Evidence, kind: str) -> None:
    records, found = _records_with(evidence, kind)
    records.remove(found[0])


def _lengthen(evidence: Evidence, kind: str) -> None:
    """The last event of a kind stands twice, at the end."""
    records, found = _records_with(evidence, kind)
    records.append(found[-1] | {"position": len(records) + 1})


def _change(kind: str, **changes: Any) -> Callable[[Evidence], None]:
    def tamper(evidence: Evidence) -> None:
        _first(evidence, kind)["data"] |= changes

    return tamper


def _leave_a_tranche_open(evidence: Evidence) -> None:
    """Its days have passed, and neither its right's end nor another programme says why it is not closed."""
    records, found = _records_with(evidence, "tranche_closed")
    ended = {each["data"]["right"] for each in records if each["type"].split(".")[1] in ("right_terminated", "programme_agreed")}
    closed = next((record for record in found if record["data"]["right"] not in ended), None)
    if closed is None:
        raise DidNotHappen("tranche_closed")
    records.remove(closed)


def _change_column(kind: str, **changes: Any) -> Callable[[Evidence], None]:
    def tamper(evidence: Evidence) -> None:
        _first(evidence, kind).update(changes)

    return tamper


def _answer_otherwise(evidence: Evidence) -> None:
    operation = next(each for each in evidence.operations if each["answers"] and each["answers"][0]["events"])
    operation["answers"].append(operation["answers"][0] | {"events": []})


def _answer_with_nothing(evidence: Evidence) -> None:
    operation = next(each for each in evidence.operations if each["answers"] and each["answers"][0]["events"])
    operation["answers"] = [{"refused": "not today", "events": []}]


def _ask_later(evidence: Evidence) -> None:
    """The first event of a stream was asked for when all was over."""
    asked = {operation["command_id"]: operation for operation in evidence.operations}
    asked[_first(evidence, "lot_taken_in")["command_id"]]["started_at"] = 1e9


def _expect_another_version(evidence: Evidence) -> None:
    asked = {operation["command_id"]: operation for operation in evidence.operations}
    asked[_first(evidence, "lot_taken_in")["command_id"]]["expected_version"] = 99


def _dispatch_before_its_receipt(evidence: Evidence) -> None:
    _first(evidence, "draw_dispatched")
    checkpoints = [place for place in evidence.order if place[0] == "ledger"]
    evidence.order[:] = [place for place in evidence.order if place[0] != "ledger"] + checkpoints


def _open_again(evidence: Evidence, kind: str) -> None:
    """A release of the decision is made once more, at the end."""
    decision = _first(evidence, kind)["data"]["decision"]
    records, released = _records_with(evidence, "stock_released")
    again = [record for record in released if record["data"]["decision"] == decision]
    if not again:
        raise DidNotHappen(kind)
    award = _first(evidence, kind)["data"].get("award", again[0]["data"]["award"])
    records.append(copy.deepcopy(again[0]) | {"data": again[0]["data"] | {"award": award}})


def _award_otherwise(kind: str) -> Callable[[Evidence], None]:
    """What inventory has released was awarded otherwise."""

    def tamper(evidence: Evidence) -> None:
        released = {record["data"]["award"] for record in _records_with(evidence, "stock_released")[1]}
        granted = reversed(_records_with(evidence, kind)[1])  # what inventory has refused once is awarded again
        award = next((each for each in granted if each["data"]["award"] in released), None)
        if award is None:
            raise DidNotHappen(kind)
        award["data"]["mass_g"] = 1

    return tamper


def _draw_twice(evidence: Evidence) -> None:
    _lengthen(evidence, "stock_drawn")


def _swap_entries(evidence: Evidence) -> None:
    first = evidence.log[0]["place"].rsplit("/", 1)[0]
    other = next(index for index, entry in enumerate(evidence.log) if index and entry["place"].rsplit("/", 1)[0] == first)
    evidence.log[0], evidence.log[other] = evidence.log[other], evidence.log[0]


def _forget_a_timer(evidence: Evidence) -> None:
    if not evidence.timers["inventory"]:
        raise DidNotHappen
    evidence.timers["inventory"].clear()


def _forget_a_loans_timer(evidence: Evidence) -> None:
    if not evidence.timers["loans"]:
        raise DidNotHappen
    evidence.timers["loans"].pop()


def _reserve_twice(evidence: Evidence) -> None:
    records, found = _records_with(evidence, "headroom_reserved")
    records.insert(records.index(found[0]), found[0])


def _agree_otherwise(evidence: Evidence) -> None:
    _first(evidence, "delivery_valued")
    for each in _records_with(evidence, "offtake_agreed")[1]:
        each["data"]["price"] = "9/7"


def _forget_what_is_lent(evidence: Evidence) -> None:
    lent = [name for name in evidence.balances if "/lending/" in name]
    if not lent:
        raise DidNotHappen
    for name in lent:
        del evidence.balances[name]


def _pin_other_lots(evidence: Evidence) -> None:
    """A release that is drawn from its one lot was pinned to another of that size."""
    records = [record for shard in evidence.journals["inventory"].values() for record in shard]
    drawn = {record["data"]["release"] for record in records if record["type"].startswith("inventory.stock_drawn.")}
    lots = [record["data"] for record in records if record["type"].startswith("inventory.lot_taken_in.")]
    for record in records:
        if record["type"].startswith("inventory.stock_pinned.") and record["data"]["release"] in drawn and len(record["data"]["lots"]) == 1:
            [pin] = record["data"]["lots"]
            for lot in lots:
                like = (lot["product"], lot["nominal_unit_g"]) == (record["data"]["product"], pin["nominal_unit_g"])
                if like and lot["lot"] != pin["lot"]:
                    pin["lot"] = lot["lot"]
                    return
    raise DidNotHappen


def _leave_bidding_open(evidence: Evidence) -> None:
    """Of a tender that is not cancelled later, which would end its bidding, too."""
    records, closed = _records_with(evidence, "bidding_closed")
    cancelled = {each["data"]["tender"] for each in records if each["type"].startswith("allocation.tender_cancelled.")}
    left = [each for each in closed if each["data"]["tender"] not in cancelled]
    if not left:
        raise DidNotHappen
    records.remove(left[0])


def _drop_the_end(evidence: Evidence, kind: str, name: str) -> None:
    """The last event of a kind, if none of the same `name` follows in its stream."""
    records, found = _records_with(evidence, kind)
    timed = [each for each in found if each["data"].get("cause") != "agreement_ended"]  # of which no timer has told
    if not timed:
        raise DidNotHappen(kind)
    last = timed[-1]
    later = records[records.index(last) + 1 :]
    if any(each["stream"] == last["stream"] and each["data"].get(name) == last["data"][name] for each in later):
        raise DidNotHappen(kind)
    records.remove(last)


def _keep_a_carry(evidence: Evidence) -> None:
    """One that had a day: another ends with its agreement alone, and no timer is missed."""
    records, expired = _records_with(evidence, "carry_expired")
    agreement = expired[-1]["data"]["agreement"]
    of_it = [each["data"] for each in records if each["type"].split(".")[1] == "carry_set" and each["data"]["agreement"] == agreement]
    if not of_it or of_it[-1]["carry_g"] == "0" or of_it[-1]["expires_on"] is None:
        raise DidNotHappen("carry_expired")
    _drop_the_end(evidence, "carry_expired", "agreement")


def _never_screen(evidence: Evidence) -> None:
    """Nobody was told of a request that is still to be screened, and will expire one day."""
    records, submitted = _records_with(evidence, "request_submitted")
    data = submitted[-1]["data"] | {"request": "req_another", "screen_by": "2026-01-06", "needed_by": "2030-01-01"}
    records.append(submitted[-1] | {"data": data})
    expiry = {"stream": submitted[-1]["stream"], "name": "expire/req_another", "due": "2030-01-02", "at": None}
    evidence.timers["allocation"].append(expiry)


def _approve_ones_own_policy(evidence: Evidence) -> None:
    approved = _first(evidence, "policy_approved")["data"]
    for each in _records_with(evidence, "policy_drafted")[1]:
        if each["data"]["version"] == approved["version"]:
            approved["approval"]["subject"] = each["data"]["drafted_by"]


def _accept_with_a_hit(evidence: Evidence) -> None:
    """What was screened last before an acceptance was found on a list."""
    records, accepted = _records_with(evidence, "request_accepted")
    for record in accepted:
        before = records[: records.index(record)]
        screened = [each for each in before if each["type"].startswith("allocation.parties_screened.")]
        of_it = [each["data"] for each in screened if each["data"]["request"] == record["data"]["request"]]
        if of_it:
            of_it[-1]["hits"].append({"hit": "hit_another"})
            return
    raise DidNotHappen


def _act_for_another(evidence: Evidence, *, officer: bool) -> None:
    """An approval cites what its approver does not hold; or what a deputy was to act under on other days."""
    for records in evidence.journals["allocation"].values():
        for record in records:
            cited = record["data"].get("cited")
            if cited is None or (cited["by"] == "deputy") != officer:
                continue
            if not officer:
                cited["by"] = "another"
                return
            for named in _records_with(evidence, "acting_officer_named")[1]:
                named["data"] |= {"valid_from": "2025-01-01", "valid_until": "2025-01-01"}
            return
    raise DidNotHappen


def _approve_with_an_interest(evidence: Evidence) -> None:
    asked = {operation["command_id"]: operation for operation in evidence.operations}
    declared = _first(evidence, "conflict_declared")
    since = asked[declared["command_id"]]["answered_at"]
    for approved in _records_with(evidence, "round_approved")[1]:
        if since is not None and asked[approved["command_id"]]["started_at"] > since:
            by, product = approved["data"]["approval"]["subject"], approved["data"]["product"]
            declared["data"] |= {"official": by, "about": "product", "name": product}
            for withdrawn in _records_with(evidence, "conflict_withdrawn")[1]:
                withdrawn["data"]["official"] = "another"
            return
    raise DidNotHappen


def _tell_while_paused(evidence: Evidence) -> None:
    """A clock was not resumed before it told that it is late."""
    records, resumed = _records_with(evidence, "clock_resumed")
    for record in resumed:
        later = [each for each in records[records.index(record) + 1 :] if each["stream"] == record["stream"]]
        if later and later[0]["type"].startswith(("allocation.clock_breached.", "allocation.clock_warned.")):
            records.remove(record)
            return
    raise DidNotHappen


def _let_days_pass(evidence: Evidence) -> Evidence:
    if not evidence.timers["allocation"]:
        raise DidNotHappen
    return msgspec.structs.replace(evidence, today=(date.fromisoformat(evidence.today) + timedelta(days=99)).isoformat())


def _lose_a_message(evidence: Evidence) -> None:
    place, event_hash = evidence.published[0]
    evidence.published[:] = [each for each in evidence.published if each != (place, event_hash)]


def _publish_another(evidence: Evidence) -> None:
    evidence.published.append((evidence.published[0][0], "00" * 32))


def _lose_an_outcome(evidence: Evidence) -> None:
    del evidence.outcomes["inventory"][_first(evidence, "lot_taken_in")["command_id"]]


def _keep_a_false_outcome(evidence: Evidence) -> None:
    outcome = evidence.outcomes["inventory"][_first(evidence, "lot_taken_in")["command_id"]]
    evidence.outcomes["inventory"]["ff" * 32] = outcome | {"command_id": "ff" * 32}


TAMPERED: list[tuple[Callable[[Evidence], Iterator[str]], Callable[[Evidence], Evidence | None]]] = [
    (auditor.chains, lambda evidence: _drop(evidence, "stock_drawn")),
    (auditor.chains, _change("lot_taken_in", mass_g=1)),
    (auditor.chains, _change_column("lot_taken_in", version=70)),
    (auditor.chains, _change_column("request_accepted", partner_seq=70)),
    (auditor.chains, _change_column("stock_drawn", recorded_at="2026-01-01T00:00:00.000000Z")),
    (auditor.chains, lambda evidence: evidence.order.append(evidence.order[0])),
    (auditor.chains, lambda evidence: evidence.order.append(("inventory", 0, 9999))),
    (auditor.answers, _answer_otherwise),
    (auditor.answers, _answer_with_nothing),
    (auditor.answers, _ask_later),
    (auditor.answers, _expect_another_version),
    (auditor.answers, lambda evidence: _drop(evidence, "lot_taken_in")),
    (auditor.once, lambda evidence: _lengthen(evidence, "lot_taken_in")),
    (auditor.once, _lose_an_outcome),
    (auditor.once, _keep_a_false_outcome),
    (auditor.stocks, _draw_twice),
    (auditor.stocks, _change("stock_drawn", remaining_g=123)),
    (auditor.stocks, _change("lot_taken_in", mass_g=1)),
    (auditor.stocks, lambda evidence: _drop(evidence, "draw_returned")),
    (auditor.stocks, lambda evidence: _drop(evidence, "stock_released")),
    (auditor.stocks, lambda evidence: _lengthen(evidence, "draw_dispatched")),
    (auditor.stocks, _change_column("stock_drawn", effective_on="2027-01-01")),
    (auditor.stocks, _change_column("release_lapsed", effective_on="2026-01-01")),
    (auditor.stocks, lambda evidence: evidence.balances.clear()),
    (auditor.receipts, _dispatch_before_its_receipt),
    (afterwards_auditor.afterwards, lambda evidence: _open_again(evidence, "award_renounced")),
    (afterwards_auditor.afterwards, lambda evidence: _open_again(evidence, "decision_superseded")),
    (afterwards_auditor.afterwards, _change("agreement_suspended", hold="hld_another")),
    (auditor.conversations, lambda evidence: _drop(evidence, "book_opened")),
    (auditor.conversations, lambda evidence: _lengthen(evidence, "round_reopened")),
    (auditor.conversations, _award_otherwise("award_granted")),
    (auditor.conversations, lambda evidence: _drop(evidence, "round_released")),
    (auditor.ledger, _swap_entries),
    (auditor.ledger, lambda evidence: evidence.log.pop() and None),
    (auditor.ledger, lambda evidence: evidence.log.append(evidence.log[-1])),
    (auditor.ledger, _change("checkpoint_signed", root="00" * 32)),
    (auditor.ledger, _change("checkpoint_signed", covers={})),
    (auditor.documents, _change("round_proposed", file="00" * 32)),
    (auditor.documents, lambda evidence: evidence.documents["ledger"].clear()),
    (auditor.timers, _forget_a_timer),
    (auditor.timers, _let_days_pass),
    (loan_auditor.headroom, _change("headroom_reserved", value_minor=1)),
    (loan_auditor.headroom, _change("headroom_reserved", amount=10**12, value_minor=10**12)),
    (loan_auditor.headroom, _reserve_twice),
    (loan_auditor.headroom, _change("headroom_released", remaining=7777777)),
    (loan_auditor.money, _change("advance_paid", amount_minor=1)),
    (loan_auditor.money, _change("advance_paid", seen=[{"name": "permit", "evaluation": {"status": "not_evaluated"}}])),
    (loan_auditor.money, _change("advance_paid", seen=[{"name": "permit", "evaluation": {"status": "waived"}}])),
    (loan_auditor.money, _change("payment_recorded", change={"cash_minor": 1})),
    (loan_auditor.money, _change("shares_subscribed", units=700)),
    (loan_auditor.money, _change("loan_committed", commitment_minor=1)),
    (loan_auditor.money, lambda evidence: _lengthen(evidence, "advance_paid")),
    (loan_auditor.money, lambda evidence: _drop(evidence, "payment_reversed")),
    (loan_auditor.money, lambda evidence: _drop(evidence, "shares_subscribed")),
    (loan_auditor.money, lambda evidence: evidence.balances.clear()),
    (loan_auditor.deliveries, _change("delivery_valued", amount_minor=1)),
    (loan_auditor.deliveries, _change("delivery_credited", amount_minor=1)),
    (auditor.stocks, _pin_other_lots),
    (auditor.stocks, _change("stock_pinned", lots=[])),
    (loan_auditor.deliveries, lambda evidence: _drop(evidence, "delivery_credited")),
    (loan_auditor.deliveries, _agree_otherwise),
    (material_auditor.grams, _change("material_lent", mass_g=1)),
    (material_auditor.grams, _change("return_received", pending_g=1)),
    (material_auditor.grams, _change("return_settled", contained_g=1)),
    (material_auditor.grams, _change("return_credited", principal_g=1)),
    (material_auditor.grams, lambda evidence: _lengthen(evidence, "return_credited")),
    (material_auditor.grams, lambda evidence: _drop(evidence, "material_lent")),
    (material_auditor.grams, _forget_what_is_lent),
    (auditor.conversations, lambda evidence: _drop(evidence, "loan_gate_opened")),
    (auditor.conversations, lambda evidence: _drop(evidence, "return_credited")),
    (auditor.conversations, lambda evidence: _drop(evidence, "loan_committed")),
    (auditor.conversations, lambda evidence: _drop(evidence, "headroom_refused")),
    (auditor.conversations, lambda evidence: _drop(evidence, "project_watched")),
    (auditor.documents, _change("loan_proposed", document="00" * 32)),
    (auditor.timers, _forget_a_loans_timer),
    (tender_auditor.tenders, _leave_bidding_open),
    (tender_auditor.tenders, lambda evidence: _drop(evidence, "bid_voided")),
    (tender_auditor.tenders, lambda evidence: _lengthen(evidence, "bid_revealed")),
    (tender_auditor.tenders, _change("tender_award_granted", units=1000)),
    (auditor.conversations, _award_otherwise("tender_award_granted")),
    (auditor.conversations, lambda evidence: _drop(evidence, "tender_reopened")),
    (auditor.documents, _change("tender_proposed", file="00" * 32)),
    (people_auditor.policies, _change("policy_approved", document="00" * 32)),
    (people_auditor.policies, _change("policy_activated", version=99)),
    (people_auditor.policies, _approve_ones_own_policy),
    (people_auditor.screening, _change("screening_hit_decided", hit="hit_another")),
    (people_auditor.screening, _change("objection_answered", objection="obj_another")),
    (people_auditor.screening, _accept_with_a_hit),
    (people_auditor.reviews, _change("review_concluded", reviewer="proposer")),
    (people_auditor.reviews, _change("review_concluded", reviewer="screener")),
    (people_auditor.powers, lambda evidence: _act_for_another(evidence, officer=False)),
    (people_auditor.powers, lambda evidence: _act_for_another(evidence, officer=True)),
    (people_auditor.powers, _approve_with_an_interest),
    (people_auditor.clocks, _change("clock_resumed", days=77)),
    (people_auditor.clocks, _change("clock_breached", on="2026-01-01")),
    (people_auditor.clocks, _tell_while_paused),
    (auditor.timers, _never_screen),
    (auditor.timers, _leave_a_tranche_open),
    (auditor.stocks, _change("right_terminated", mass_g=1)),
    (auditor.timers, lambda evidence: _drop_the_end(evidence, "policy_activated", "version")),
    (auditor.timers, lambda evidence: _drop_the_end(evidence, "readiness_expired", "item")),
    (auditor.timers, _keep_a_carry),
    (auditor.documents, _change("report_sent", report="00" * 32)),
    (auditor.documents, _change("screening_list_put_in_force", document="00" * 32)),
    (auditor.messages, _lose_a_message),
    (auditor.messages, _publish_another),
]


@pytest.mark.parametrize(("check", "tamper"), TAMPERED, ids=[f"{check.__name__}-{number}" for number, (check, _) in enumerate(TAMPERED)])
def test_a_check_finds_what_was_tampered_with(
    sound: SoundRuns, check: Callable[[Evidence], Iterator[str]], tamper: Callable[[Evidence], Evidence | None]
) -> None:
    for evidence in sound:
        tampered = copy.deepcopy(evidence)
        try:
            tampered = tamper(tampered) or tampered
        except DidNotHappen:
            continue
        assert list(auditor.faults(check, tampered))
        return
    pytest.fail("it happens in no run")
