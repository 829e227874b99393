"""A partner that has keys signs its requests, and its objections."""

from msgspec.structs import replace

from services.allocation.api.partners.signing import salt_of
from services.allocation.domain.book.objections import RaiseObjection
from services.allocation.domain.book.requests import SubmitRequest
from services.allocation.domain.book.state import Reason
from services.allocation.events import ObjectionId, SubjectId
from services.allocation.events.requests import RequestPaper, SignedRequest
from services.allocation.events.screening import ObjectionPaper, SignedObjection
from shared.journal.texts import TypedText, commitment_to
from tests.stories.book import ANTIMONY, TODAY, TONNE, a_book, accept, request_id, submit
from tests.stories.screening import findings

SENT = {"client": "partner-jp", "subject": "sub_jp", "idempotency_key": "first"}


def signed(command: SubmitRequest) -> SignedRequest:
    told = {name: getattr(command, name) for name in RequestPaper.__struct_fields__ if hasattr(command, name)}
    return SignedRequest(key="ab" * 8, signature="ab" * 64, paper=RequestPaper(**told, product=ANTIMONY, **SENT))


def test_a_partner_that_has_keys_signs_its_requests_and_the_event_keeps_what_it_signed():
    asked = submit(mass_g=TONNE, signs=True)
    a_book().when(asked).refused(Reason.SIGNATURE_MISSING, "/signature")
    [event] = a_book().when(replace(asked, signed=signed(asked))).events
    assert event.signed == signed(asked)
    assert a_book().when(submit()).events[0].signed is None


def test_a_partner_that_has_keys_signs_its_objections():
    objects = RaiseObjection(
        objection=ObjectionId("obj_1"),
        request=request_id("jp"),
        reasons=(TypedText("too little"),),
        signs=True,
        by=SubjectId("sub_jp"),
        on=TODAY,
    )
    story = a_book(submit(), accept(units=4, screening=findings()))
    story.when(objects).refused(Reason.SIGNATURE_MISSING, "/signature")
    paper = ObjectionPaper(partner="JP", request=objects.request, reasons=objects.reasons, **SENT)
    by_key = SignedObjection(key="ab" * 8, signature="ab" * 64, paper=paper)
    assert story.when(replace(objects, signed=by_key)).events[0].signed == by_key


def test_each_text_of_each_command_has_a_salt_of_its_own_which_another_one_does_not_tell():
    salt, other = "ab" * 16, "cd" * 16
    named = [
        (salt, "partner-jp", "sub_jp", "first", "statement.event"),
        (salt, "partner-jp", "sub_jp", "first", "statement.impact"),
        (salt, "partner-jp", "sub_jp", "second", "statement.event"),
        (salt, "partner-jp", "sub_other", "first", "statement.event"),
        (salt, "partner-us", "sub_jp", "first", "statement.event"),
        (other, "partner-jp", "sub_jp", "first", "statement.event"),
    ]
    salts = {salt_of(*each) for each in named}
    assert len(salts) == len(named) and {len(each) for each in salts} == {16}
    assert len({commitment_to(each, "the same words") for each in salts}) == len(named)
