"""What `reserve approve` signs besides decisions: it shows what it has read, and signs nothing that says more."""

from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reserve.commands.signable import _WORDS, NotSignable, read_signable
from services.allocation.events.papers import ActingOfficerPaper, EnrolmentPaper, InstrumentPaper, PartnerKeyPaper, PersonPaper
from services.allocation.events.policies import PolicyDocument
from services.allocation.events.requests import RequestPaper, Statement
from services.allocation.events.screening import ObjectionPaper
from services.inventory.events import DrawPaper, ReleaseId
from services.loans.domain.material.terms import deferral_document, terms_document
from services.loans.domain.papers import DeferralPaper, HoldingPaper, LoanActPaper, LoanPaper, MaterialTermsPaper, WriteDownPaper
from services.loans.events.terms import (
    Accelerate,
    AmendCondition,
    EndEnforcement,
    Refund,
    Reinstate,
    Restructure,
    ScheduleTerms,
    WaiveCondition,
    WaiveCovenant,
    WriteOff,
)
from shared.journal.record import canonical
from shared.journal.texts import commitment_to
from shared.terms.approval import read_private_key, verify_approval
from shared.terms.conditions import Shown
from shared.terms.countersigning import CommandPaper
from shared.terms.dating import Dated
from tests.stories import equity as equity_story
from tests.stories import material as material_story
from tests.stories.book import ANTIMONY, JP, request_id, submit
from tests.stories.endorsing import read_approval
from tests.stories.loan import LOAN, START, terms
from tests.unit.reserve.commands.approving import approve

PROPOSAL = canonical({"loan": LOAN, "terms": terms()})
EQUITY = canonical({"holding": "eqh_1", "terms": equity_story.TERMS, "proposed_by": "sub_operator", "proposed_on": START})


def act(content: Any) -> bytes:
    return canonical({"loan": LOAN, "act": "act_1", "content": content, "reason": "agreed"})


def shown(content: bytes) -> dict[str, str]:
    return dict(read_signable(content).words)


def test_a_loans_proposal_is_shown_and_signed_for_what_it_is(tmp_path: Path):
    result = approve(tmp_path, PROPOSAL)
    approval = read_approval(result.stdout.encode())
    assert (approval.purpose, approval.document) == ("loan_proposal", sha256(PROPOSAL).hexdigest())
    key = read_private_key((tmp_path / "approver.pem").read_bytes())
    assert verify_approval(approval, key.public_key().public_bytes_raw().hex())
    for words in ("loan_proposal", LOAN, "1,200.00 AUD", "hillgrove-mines", "10 + 2 %", "80% sold"):
        assert words in result.stderr, words


@pytest.mark.parametrize(
    ("paper", "format"),
    [
        (LoanPaper(loan=LOAN, terms=terms()), "reserve.loan_proposal.v1"),
        (
            LoanActPaper(loan=LOAN, act="act_1", content=WaiveCovenant(kind="dscr", until=START), reason="agreed"),
            "reserve.loan_act.v1",
        ),
        (
            HoldingPaper(holding="eqh_1", terms=equity_story.TERMS, proposed_by="sub_operator", proposed_on=START),
            "reserve.equity_proposal.v1",
        ),
        (
            WriteDownPaper(
                holding="eqh_1",
                write_down="eqf_1",
                amount_minor=1,
                on=START,
                authority="Board",
                reason="impaired",
                proposed_by="sub_operator",
            ),
            "reserve.equity_write_down.v1",
        ),
        (
            WriteDownPaper(
                holding="eqh_1",
                write_down="eqf_1",
                amount_minor=None,
                on=START,
                authority="Board",
                reason="impaired",
                proposed_by="sub_operator",
                dated_because=Dated.PAPER_LATE,
            ),
            "reserve.equity_write_down.v1",
        ),
    ],
)
def test_a_paper_is_signed_as_it_is_stored_also_one_of_a_build_that_wrote_no_format(paper: Any, format: str):
    now = canonical(paper)
    said = msgspec.json.decode(now)
    assert said.pop("format") == format
    once = canonical(said)
    read = {content: read_signable(content) for content in (now, once)}
    assert {each.purpose for each in read.values()} == {paper.purpose}
    assert [each.document for each in read.values()] == [sha256(now).hexdigest(), sha256(once).hexdigest()]
    assert read[now].words == read[once].words
    with pytest.raises(NotSignable):
        read_signable(canonical(said | {"format": format.replace("v1", "v2")}))


def test_no_two_kinds_of_paper_are_signed_for_one_purpose_or_have_one_format():
    of_keys = [EnrolmentPaper, InstrumentPaper, ActingOfficerPaper, PersonPaper, PartnerKeyPaper]
    of_loans = [LoanActPaper, LoanPaper, WriteDownPaper, HoldingPaper, MaterialTermsPaper, DeferralPaper]
    kinds = [*of_loans, *of_keys, PolicyDocument, CommandPaper, DrawPaper, RequestPaper, ObjectionPaper]
    assert len({kind.purpose for kind in kinds}) == len({kind.__struct_config__.tag for kind in kinds}) == len(kinds) == len(_WORDS)


def test_what_a_partner_signs_is_shown_and_under_no_instrument():
    paper = DrawPaper(
        partner="JP",
        release=ReleaseId("rel_1"),
        mass_g=600_000,
        lots=(),
        assign_rights=False,
        client="partner-jp",
        subject="sub_jp",
        idempotency_key="truck-1",
    )
    assert not read_signable(canonical(paper)).under_instrument
    told = shown(canonical(paper))
    assert (told["draws"], told["lots"], told["for"]) == ("600000 g under rel_1", "any", "JP")
    assert "truck-1" in told["sent by"]
    sent = {"client": "partner-jp", "subject": "sub_jp", "idempotency_key": "first"}
    commitment = commitment_to(b"s" * 16, "too little")
    told = shown(canonical(ObjectionPaper(partner=JP, request=request_id("jp"), reasons=(commitment,), **sent)))
    assert (told["commitment to reason 1"], told["for"]) == (commitment, "JP")
    asked = {name: value for name, value in msgspec.structs.asdict(submit()).items() if name in RequestPaper.__struct_fields__}
    stated = asked | {"statement": Statement(event=commitment), "return_on": START}
    told = shown(canonical(RequestPaper(**stated, product=ANTIMONY, **sent)))
    assert f"comes back by {START}" in told["asks for"] and told["commitment to event"] == commitment
    assert "Toyo Logistics" in told["consignee"] and "first" in told["sent by"]


def test_what_an_act_is_for_in_several_ways_is_told_apart():
    told: dict[str, Any] = {"proposal": "prp_1", "service": "allocation", "streams": ("agreement/agr_1",), "act": "sign_agreement"}
    ends, resumes = (
        shown(canonical(CommandPaper(command={"type": name, "reason": "agreed"}, proposed_by="sub_1", proposed_on=START, **told)))
        for name in ("EndAgreement", "ResumeAgreement")
    )
    assert (ends["command"], resumes["command"]) == ("EndAgreement", "ResumeAgreement")
    assert ends | {"command": ""} == resumes | {"command": ""}


def test_a_file_that_was_saved_with_another_spacing_is_the_same_document():
    spaced = msgspec.json.format(PROPOSAL, indent=2) + b"\n"
    assert read_signable(spaced).document == sha256(PROPOSAL).hexdigest()


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (WriteOff(amount_minor=5_000, on=START), "write_off", "5000 minor units"),
        (Accelerate(on=START), "accelerate", "falls due on"),
        (Reinstate(), "reinstate", "taken back"),
        (EndEnforcement(), "end_enforcement", "is a claim"),
        (Refund(amount_minor=5_000, reference="bank 7", on=START), "refund", "bank 7"),
        (WaiveCondition(name="permit", until=None), "waive_condition", "for good"),
        (WaiveCovenant(kind="dscr", until=date(2027, 1, 1)), "waive_covenant", "until 2027-01-01"),
        (AmendCondition(name="offtake", text="75%", condition=Shown(kind="permit")), "amend_condition", '"permit"'),
        (
            Restructure(
                schedule=ScheduleTerms(kind="bullet", start=START, every="1y", periods=3, day_count="30/360"),
                rate_pct=None,
                capitalise_overdue=True,
            ),
            "restructure",
            "becomes principal",
        ),
    ],
)
def test_an_act_says_what_it_does(content: Any, name: str, words: str):
    read = read_signable(act(content))
    assert read.purpose == "loan_act"
    assert words in dict(read.words)[name]


def test_equity_and_material_have_purposes_of_their_own():
    loan = material_story.proposed().state
    offered = terms_document(loan, material_story.TERMS)
    later = deferral_document(material_story.lent().state, material_story.LATER, "plant_outage", "letter", date(2026, 9, 1))
    assert [read_signable(each).purpose for each in (EQUITY, offered, later)] == ["equity_proposal", "material_loan", "material_deferral"]
    lost = {"authority": "Board", "reason": "impaired", "on": "2026-11-25", "proposed_by": "sub_operator"}
    write_down = canonical({"holding": "eqh_1", "write_down": "eqf_1", "amount_minor": None} | lost)
    assert read_signable(write_down).purpose == "equity_write_down"
    assert shown(write_down)["write-down"] == "all, and nothing is held any more, on 2026-11-25"
    assert "5,000.00 AUD" in shown(EQUITY)["commitment"]
    assert "Sb" in shown(offered)["lent"]
    assert shown(later)["due"].startswith("2026-09-01")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'"loan"',
        b'{"loan":"lon_1"}',
        b'{"loan":"lon_1","terms":{}}',
        canonical({"loan": LOAN, "terms": terms(), "and": "more"}),
        canonical({"loan": LOAN, "terms": msgspec.to_builtins(terms()) | {"side_letter": "the rest"}}),
        canonical({"loan": LOAN, "act": "act_1", "content": {"type": "forgive"}, "reason": "agreed"}),
        canonical({"format": "reserve.material_terms.v2", "loan": "mln_1"}),
    ],
)
def test_what_is_not_understood_in_full_is_not_signed(tmp_path: Path, content: bytes):
    with pytest.raises(NotSignable):
        read_signable(content)
    result = approve(tmp_path, content)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)


def test_an_approver_may_insist_on_what_the_file_must_be(tmp_path: Path):
    assert approve(tmp_path, PROPOSAL, "--purpose", "loan_proposal").exit_code == 0
    refused = approve(tmp_path, PROPOSAL, "--purpose", "decision")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "accepted: loan_proposal" in refused.stderr


def test_a_text_cannot_write_over_what_is_shown(tmp_path: Path):
    result = approve(tmp_path, canonical({"loan": LOAN, "terms": terms(security="none\x1b[1A\rfirst charge")}))
    assert result.exit_code == 0
    assert "\x1b" not in result.stderr
    assert "\r" not in result.stderr


def test_the_papers_of_the_ceremony_are_shown_and_signed_under_no_instrument():
    page = (Path(__file__).parents[4] / "docs" / "ceremony.md").read_text()
    papers = [read_signable(block.partition("```")[0].strip().encode()) for block in page.split("```json")[1:]]
    assert [paper.purpose for paper in papers] == ["enrolment", "instrument", "acting_officer", "person"]
    assert not any(paper.under_instrument for paper in papers)
    words = dict(papers[1].words)
    assert (words["limits"], words["acts"], words["delegation"]) == (
        "50000000 g, of all that is done in 30 days",
        "approve_decision, ratify",
        "may not be delegated",
    )
