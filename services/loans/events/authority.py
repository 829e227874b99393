"""By what authority a person acted in loans."""

import msgspec

from shared.terms.authority import Cited


class AuthorityCited(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="loans.authority_cited.v1"):
    """With what was done under it, in the same commit and after it, for the same command."""

    matter: str  # the loan, holding, material loan or facility that was acted on; else the proposal that was signed
    cited: Cited
