"""What somebody proposes, and another signs; and what of that destroys something: a text that was typed."""

from shared.journal import texts
from shared.terms import countersigning


class CommandProposed(countersigning.CommandProposed, frozen=True, kw_only=True, tag="loans.command_proposed.v1"):
    pass


class CommandApproved(countersigning.CommandApproved, frozen=True, kw_only=True, tag="loans.command_approved.v1"):
    pass


class CommandWithdrawn(countersigning.CommandWithdrawn, frozen=True, kw_only=True, tag="loans.command_withdrawn.v2"):
    pass


class CommandLapsed(countersigning.CommandLapsed, frozen=True, kw_only=True, tag="loans.command_lapsed.v1"):
    pass


class TextErased(texts.TextErased, frozen=True, kw_only=True, tag="loans.text_erased.v1"):
    pass


ControlEvent = CommandProposed | CommandApproved | CommandWithdrawn | CommandLapsed
