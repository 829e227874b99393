"""By what authority a person acted in loans."""

import msgspec

from shared.terms.authority import Cited


class AuthorityCited(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="loans.authority_cited.v1"):
    """With what was done under it, in the same commit and after it, for the same command."""

    matter: str  # the loan, holding, material loan or facility that was acted on; else the proposal that was signed
    cited: Cited


ONCE = frozenset({"commit_loan", "commit_holding", "lend_material"})  # acts


def name_of_use(stream: str, act: str, place: str) -> str:
    """By which it counts once towards an instrument's limit: a commitment however often it is approved, as it is again where there was no
    headroom, and a reference rate however often something is published. Anything else counts each time, by its `place`."""
    return stream if act in ONCE or stream.startswith("reference/") else place
