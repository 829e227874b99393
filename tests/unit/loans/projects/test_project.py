"""Projects: facts are recorded with evidence and withdrawn with a reason; loans that watch are told; conditions are held against them."""

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_any
from hypothesis import strategies as st

from services.inventory.domain.rights import ExerciseRight, TerminateRight
from services.inventory.events import RightId, RightKind
from services.loans.domain.controls import CONTROLS, EVENTS
from services.loans.domain.projects.project import (
    DECIDER,
    FACTS_AN_EVENT,
    EndRight,
    Reason,
    RecordFact,
    evidence_of,
    news_of,
    project_of,
)
from services.loans.events.authority import AuthorityCited
from services.loans.events.controls import CommandApproved
from services.loans.events.project import (
    ProjectFactId,
    ProjectFactRecorded,
    ProjectFactWithdrawn,
    ProjectWatched,
)
from services.loans.reactions import react_to_inventory
from shared.delivery.inbox import Reaction
from shared.journal.record import MAX_DATA_BYTES, MAX_INTEGER
from shared.terms.acting import ApprovalReason
from shared.terms.authority import Fault, interest_in
from shared.terms.conditions import Evidence, ShareAtLeast, Shown, evaluate
from shared.terms.countersigning import ControlReason, countersigned
from tests.stories.countersigned import PROPOSER, SIGNER, approve, propose
from tests.stories.given import Given
from tests.stories.powers import may
from tests.stories.project import HILLGROVE, LOAN, OTHER_LOAN, TODAY, a_fact, a_right, offtake, output, record, watch, withdraw
from tests.stories.stockpile import a_stockpile
from tests.stories.stockpile import right as a_stock_right
from tests.stories.stockpile_facts import fact as stock_fact

SHARE = ShareAtLeast(part="offtake", whole="output", share="4/5")


def status(condition: Any, project: Given, on: date = TODAY) -> str:
    return evaluate(condition, [evidence_of(known) for known in project.state.facts.values()], on).status


def test_a_fact_is_recorded_with_its_evidence_for_the_loans_that_watch():
    Given(DECIDER, watch(), watch(OTHER_LOAN)).when(record()).then(
        ProjectFactRecorded(project=HILLGROVE, known=a_fact(), evidence=("NSW register",), document=None, loans=(LOAN, OTHER_LOAN))
    )


def test_a_fact_is_recorded_once():
    Given(DECIDER, record()).when(record()).refused(Reason.ALREADY_RECORDED)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (record(evidence=()), Reason.NO_EVIDENCE),
        (output("fct_1", 0), Reason.QUANTITY_INVALID),
        (output("fct_1", -1), Reason.QUANTITY_INVALID),
        (output("fct_1", MAX_INTEGER + 1), Reason.QUANTITY_INVALID),
        (record(kind="output"), Reason.QUANTITY_INVALID),
        (record(kind="offtake", binding=True), Reason.QUANTITY_INVALID),
        (output("fct_1", 1, unit=None), Reason.UNIT_MISSING),
        (offtake("fct_1", 1, binding=None), Reason.BINDING_MISSING),
        (record(until=date(2026, 1, 5)), Reason.DATES_REVERSED),
    ],
)
def test_a_fact_that_makes_no_sense_is_refused(command: RecordFact, reason: Reason):
    Given(DECIDER).when(command).refused(reason)


def test_one_quantity_is_not_counted_twice():
    project = Given(DECIDER, offtake("fct_1", 100, subject="Wogen", until=date(2026, 6, 30)))
    project.when(offtake("fct_2", 100, subject="Wogen")).refused(Reason.COUNTED_TWICE)
    project.when(offtake("fct_2", 100, subject="Wogen", since=date(2026, 6, 30))).refused(Reason.COUNTED_TWICE)
    for apart in (
        offtake("fct_2", 100, subject="Traxys"),
        offtake("fct_2", 100, subject="Wogen", since=date(2026, 7, 1)),
        offtake("fct_2", 100, subject="Wogen", product="gold"),
        offtake("fct_2", 100, subject="Wogen", binding=False),
    ):
        project.given(apart)
    Given(DECIDER, offtake("fct_1", 1, subject="Wogen"), withdraw()).given(offtake("fct_2", 100, subject="Wogen"))


def test_a_permit_may_be_renewed_before_it_ends():
    project = Given(DECIDER, record("fct_1", until=date(2026, 6, 30)), record("fct_2", since=date(2026, 6, 1)))
    assert evaluate(Shown(kind="permit"), [evidence_of(known) for known in project.state.facts.values()], TODAY).until is None


def test_a_withdrawn_fact_no_longer_counts_and_the_loans_are_told():
    project = Given(DECIDER, record(), watch())
    withdrawn = project.when(withdraw()).then(
        ProjectFactWithdrawn(
            project=HILLGROVE,
            fact=ProjectFactId("fct_1"),
            kind="permit",
            by="usr_2",
            reason="the lease was surrendered",
            loans=(LOAN,),
        )
    )
    assert (status(Shown(kind="permit"), project), status(Shown(kind="permit"), withdrawn)) == ("met", "open")


def test_what_does_not_stand_is_not_withdrawn():
    Given(DECIDER).when(withdraw()).refused(Reason.NOT_FOUND)
    Given(DECIDER, record(), withdraw()).when(withdraw()).refused(Reason.NOT_FOUND)


def test_a_loan_that_watches_is_told_all_that_is_known():
    [event] = Given(DECIDER, record("fct_2"), record("fct_1"), record("fct_3"), withdraw("fct_3")).when(watch()).events
    assert event == ProjectWatched(project=HILLGROVE, loan=LOAN, known=(a_fact("fct_1"), a_fact("fct_2")))


def test_a_loan_may_watch_a_project_of_which_nothing_is_known():
    Given(DECIDER).when(watch()).then(ProjectWatched(project=HILLGROVE, loan=LOAN, known=()))


def test_a_loan_watches_once():
    Given(DECIDER, watch()).when(watch()).then()


def test_all_that_is_known_fits_however_much_it_is():
    names = [f"fct_{n:026}" for n in range(2 * FACTS_AN_EVENT + 1)]
    longest = {
        "kind": "k" * 40,
        "subject": "\x01" * 200,  # six bytes each in JSON
        "product": "p" * 63,
        "unit": "\x01" * 20,
        "binding": True,
        "by": "b" * 200,
        "until": date.max,
    }
    project = Given(DECIDER, *(record(name, **longest) for name in names))
    events = project.when(watch()).events
    assert all(len(msgspec.json.encode(event)) < MAX_DATA_BYTES for event in events)
    assert [known.fact for event in events if isinstance(event, ProjectWatched) for known in event.known] == names


def test_a_firm_right_is_a_binding_offtake_that_anyone_can_look_up():
    [event] = Given(DECIDER, watch()).when(a_right()).events
    assert isinstance(event, ProjectFactRecorded)
    known = event.known
    assert (known.fact, known.kind, known.subject, known.quantity, known.binding) == ("fct_9", "offtake", "rgt_9", 900, True)
    assert (known.since, known.until, event.evidence, event.loans) == (TODAY, date(2026, 9, 30), ("inventory/0/7",), (LOAN,))
    Given(DECIDER, a_right()).when(a_right()).then()


def test_only_a_binding_offtake_counts_for_a_share_of_output():
    stated = output("fct_o", 1_000)
    assert status(SHARE, Given(DECIDER, offtake("fct_1", 800))) == "not_evaluated"
    assert status(SHARE, Given(DECIDER, stated, offtake("fct_1", 799))) == "open"
    assert status(SHARE, Given(DECIDER, stated, offtake("fct_1", 799), offtake("fct_2", 500, binding=False))) == "open"
    assert status(SHARE, Given(DECIDER, stated, offtake("fct_1", 799), offtake("fct_2", 1))) == "met"


def test_a_right_counts_for_the_output_of_its_product():
    of_antimony = output("fct_o", 1_000, product="antimony-metal")
    assert status(SHARE, Given(DECIDER, of_antimony, a_right())) == "met"
    assert status(SHARE, Given(DECIDER, of_antimony, a_right(product="gold"))) == "not_evaluated"
    assert status(SHARE, Given(DECIDER, output("fct_o", 1_000), a_right())) == "not_evaluated"
    both = Given(DECIDER, of_antimony, output("fct_p", 9_000, product="gold"), a_right())
    assert status(SHARE, both) == "not_evaluated"
    assert status(msgspec.structs.replace(SHARE, unit="g of antimony-metal"), both) == "met"


def test_a_right_counts_through_the_last_day_of_its_window():
    project = Given(DECIDER, output("fct_o", 1_000, product="antimony-metal"), a_right())
    assert [status(SHARE, project, on) for on in (date(2026, 9, 30), date(2026, 10, 1))] == ["met", "open"]


def test_a_loan_that_is_told_everything_knows_what_the_project_knows():
    """Whenever it began to watch, and whatever was recorded and withdrawn before and after."""
    before = (output("fct_o", 1_000), offtake("fct_1", 700), record("fct_2"), *(record(f"fct_x{n}") for n in range(FACTS_AN_EVENT)))
    after = (withdraw("fct_2"), offtake("fct_3", 100), withdraw("fct_1"), a_right())
    project, known = Given(DECIDER), dict[str, Evidence]()
    for command in (*before, watch(), *after, watch()):
        project = project.when(command)
        for event in project.events:
            news = news_of(event)
            if LOAN in news.loans:
                known |= {each.reference: each for each in news.learnt}
                known = {reference: each for reference, each in known.items() if reference not in news.forgotten}
    assert known == {fact: evidence_of(each) for fact, each in project.state.facts.items()}


def test_inventory_s_firm_rights_are_recorded_where_their_project_is():
    def reactions(kind: RightKind) -> list[Reaction]:
        [event] = a_stockpile().when(a_stock_right(project="Hillgrove (Larvotto)", kind=kind)).events
        return list(react_to_inventory(stock_fact(event, 7), {}))

    [reaction] = reactions("firm_offtake")
    assert reaction.stream == "project/hillgrove-larvotto"
    [event] = Given(DECIDER).when(reaction.command).events
    assert isinstance(event, ProjectFactRecorded)
    assert (event.project, event.known.kind, event.known.subject, event.known.unit) == ("hillgrove-larvotto", "offtake", "rgt_1", "g")
    assert (event.known.since, event.known.until, event.evidence) == (TODAY, date(2026, 9, 30), ("inventory/2/7",))
    assert reactions("option") == reactions("first_refusal") == []


def test_an_option_counts_once_it_is_exercised_and_a_right_no_more_once_it_is_terminated():
    told = Given(DECIDER, watch())
    stock = a_stockpile(a_stock_right(kind="option"))
    for command in (
        ExerciseRight(right=RightId("rgt_1"), deliver_from=date(2026, 4, 1), on=TODAY),
        TerminateRight(right=RightId("rgt_1"), cause="agreed", on=TODAY),
    ):
        stock = stock.when(command)
        [event, *_] = stock.events
        [reaction] = react_to_inventory(stock_fact(event, 7), {})
        assert reaction.stream == "project/hillgrove"
        told = told.when(reaction.command)
        counted = [each.subject for each in told.state.facts.values()]
        assert counted == (["rgt_1"] if isinstance(command, ExerciseRight) else [])
    [withdrawn] = told.then(ProjectFactWithdrawn).events
    assert withdrawn.loans == (LOAN,)
    told.when(reaction.command).then()  # once


def test_a_project_has_an_id_made_from_its_name():
    assert [project_of(name) for name in ("Hillgrove", "hillgrove", "Eneabba (Iluka)", "  Mt. Weld -- 2 ", "Zürich")] == [
        "hillgrove",
        "hillgrove",
        "eneabba-iluka",
        "mt-weld-2",
        "zurich",
    ]
    assert len({project_of("鉱山"), project_of("矿山"), project_of("x" * 100), project_of("x" * 101)}) == 4


@for_any(st.text(min_size=1, max_size=200))
def test_every_name_has_an_id_that_fits_into_a_path(name: str):
    id = project_of(name)
    assert 0 < len(id) <= 63
    assert id.replace("-", "").isalnum() and id.isascii() and id == id.lower() and not id.startswith("-")


def test_evidence_is_withdrawn_by_two_and_may_be_recorded_again():
    """By one alone, each advance that rests on it would be stopped, and nothing would end that."""
    known = Given(countersigned(DECIDER, CONTROLS, EVENTS), watch(), record())
    known.when(withdraw()).refused(ControlReason.NEEDED)
    waits = known.given(propose(withdraw(), TODAY))
    waits.when(approve(TODAY, by=PROPOSER)).refused(ApprovalReason.BY_PROPOSER)
    interested = may(SIGNER, TODAY, conflicts=frozenset({interest_in("company", HILLGROVE)}))
    waits.when(approve(TODAY, capacity=interested)).refused(Fault.CONFLICT)
    withdrawn = waits.when(approve(TODAY)).then(CommandApproved, ProjectFactWithdrawn, AuthorityCited)
    again = withdrawn.when(record("fct_2", by="usr_3")).then(ProjectFactRecorded)
    assert again.events[0].loans == (LOAN,)
    permit = Shown(kind="permit")
    assert [status(permit, each) for each in (known, waits, withdrawn, again)] == ["met", "met", "open", "met"]


def test_a_right_that_is_terminated_ends_its_evidence_by_itself():
    known = Given(countersigned(DECIDER, CONTROLS, EVENTS), watch(), a_right("rgt_9"))
    known.when(EndRight(project=HILLGROVE, right="rgt_9")).then(ProjectFactWithdrawn)


def test_what_a_share_is_of_is_counted_by_two_once_it_is_known():
    """One operator said that another mine of the project yields ten times as much: nothing was advanced until two took it back."""
    known = Given(countersigned(DECIDER, CONTROLS, EVENTS), watch(), output("fct_1", 100), offtake("fct_2", 80))
    assert status(SHARE, known) == "met"
    for more in (output("fct_3", 1_000, subject="a mine"), output("fct_3", 1, unit="t"), output("fct_3", 1, product="antimony-metal")):
        known.when(more).refused(ControlReason.NEEDED)
        signed = known.given(propose(more, TODAY)).when(approve(TODAY)).then(CommandApproved, ProjectFactRecorded, AuthorityCited)
        assert status(SHARE, signed) != "met"
    known.when(offtake("fct_3", 1_000)).then(ProjectFactRecorded)  # what is sold only adds to a share
    known.when(record("fct_3")).then(ProjectFactRecorded)
    this_year = Given(countersigned(DECIDER, CONTROLS, EVENTS), output("fct_1", 100, until=date(2026, 12, 31)))
    this_year.when(output("fct_3", 100, since=date(2027, 1, 1))).then(ProjectFactRecorded)
