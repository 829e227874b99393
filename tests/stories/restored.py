"""A small history of which everything is lost after a backup, and restored as a new history."""

from pathlib import Path

from msgspec.structs import replace

from reserve.audit.anchors import Anchor
from services.ledger.receipt import verify_receipt
from shared.proofs.checkpoint import open_checkpoint
from shared.proofs.signed_note import VerifierKey
from tests.stories.audit import DAY_AFTER, Step, Story, Told, stock, told


def another_product(name: str) -> Step:
    registered = told()["register"]
    assert isinstance(registered, Step)
    return stock(replace(registered.event, product=name), DAY_AFTER)


class Restored(Told):
    """The story, backed up at its end; two events and two checkpoints later, everything is lost."""

    def __init__(self, folder: Path, story: Story | None = None) -> None:
        super().__init__(story or told(), folder)
        self.old_key = self.log_key
        self.early = self.signed[-1].note
        self.early_receipt = self.receipt("lot")
        self.marked = self.mark()
        self.seal("lost", another_product("gallium"))
        self.seal("lost_signed", Step())
        self.middle = self.signed[-1].note
        self.late_receipt = self.receipt("lost")
        self.seal("lost_2", another_product("germanium"))
        self.seal("lost_signed_2", Step())
        self.late = self.signed[-1].note

    def go_on(self) -> None:
        self.seal("new", another_product("bismuth"))
        self.seal("new_signed", Step())

    @property
    def pinned(self) -> list[VerifierKey]:
        return [self.log_key, self.old_key]

    def of_receipt(self, text: str) -> Anchor:
        receipt = verify_receipt(text, [self.old_key])
        return Anchor("receipt", receipt.note, (receipt.index, receipt.opening.leaf))


def leaves_in(note: str, key: VerifierKey) -> int:
    return open_checkpoint(note, [key]).head.size
