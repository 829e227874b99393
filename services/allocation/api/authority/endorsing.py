"""What an administrator sends beside a key, an instrument or an acting officer: another approver's signature."""

from msgspec.structs import replace
from pydantic import Field

from services.allocation.domain.authority.ceremony import STREAM, EnterInstrument, EnterKey
from services.allocation.domain.authority.endorsement import Endorsing, Reason
from shared.http.auth import Caller
from shared.http.fields import Body
from shared.http.handlers import Post, Reads
from shared.http.problems import Problem
from shared.terms.acting_api import ApprovalBody, signature_of
from shared.terms.authority_tables import accounts_of


class EndorsedBody(Body):
    endorsement: ApprovalBody | None = Field(
        default=None, description="of an approver who is no party to it, over its paper; none: only in the ceremony that begins a reserve"
    )


async def in_ceremony(post: Post, body: EndorsedBody, command: EnterKey | EnterInstrument, endorsing: Endorsing) -> Endorsing:
    """Unsigned, if the ceremony takes it; where others were entered at once, as after it. Raises Problem `endorsement_missing`."""
    try:
        await post.submit(STREAM, command, part="ceremony")
    except Problem as over:
        if body.endorsement is None or over.code != Reason.MISSING:
            raise
        return replace(endorsing, ceremony=False)
    return endorsing


async def endorsing_of(reads: Reads, post: Post, caller: Caller, body: EndorsedBody, *, ceremony: bool) -> Endorsing:
    """`ceremony`: nobody could have signed it yet."""
    async with reads.session() as session:
        accounts = await accounts_of(session, caller.subject)
    given = body.endorsement
    signing = None if given is None else await signature_of(reads, given, given.approver, post.today)
    return Endorsing(posted_by=frozenset(accounts), ceremony=ceremony, signing=signing, on=post.today)
