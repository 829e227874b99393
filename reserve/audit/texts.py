"""Texts: what people have typed is what events hold commitments to, and what was erased is gone.

A commitment whose text nobody has, and of which no event says that it was erased, is listed: who deletes a row cannot be told from a
recovery out of copies, which hold no texts.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from reserve.audit.evidence import ReadText, Recorded
from reserve.audit.report import Check, Findings
from shared.journal.texts import PREFIX, TextErased, commitment_to, commitments_in

_LATE = timedelta(hours=1)  # by which the ledger may be behind in one shard of a service, when it has another's


class Texts:
    def __init__(self, findings: Findings, texts: Mapping[str, Iterable[ReadText]]) -> None:
        """`texts`: by service, as they were before the journals are read, and after the cut was made. No more of them is kept than which of
        those that events hold was given."""
        self._findings = findings
        self._texts = texts
        self._held: dict[tuple[str, str], str] = {}  # (service, SHA-256 in hex) -> the place of the first event that holds it
        self._erased: dict[tuple[str, str], str] = {}
        self._last: dict[str, str] = {}  # by service, when its last event was recorded

    def see(self, service: str, place: str, record: Recorded, event: Any) -> None:
        self._last[service] = max(record.recorded_at, self._last.get(service, ""))
        if isinstance(event, TextErased):
            self._erased[service, event.text] = place
            self._findings.list_it(Check.TEXTS, place, f"the text {event.text} was erased: {event.code}")
        for commitment in commitments_in(record.data):
            self._held.setdefault((service, commitment.removeprefix(PREFIX)), place)

    def finish(self) -> None:
        """All is seen that the cut covers."""
        given = set[tuple[str, str]]()
        for service, texts in self._texts.items():
            for text in texts:
                if (key := (service, text.sha256)) in self._held:
                    given.add(key)
                self._compare(service, text)
        for key in self._held.keys() - given - self._erased.keys():
            self._findings.list_it(Check.TEXTS, self._held[key], f"the text {key[1]} is not there, and no event says that it was erased")

    def _compare(self, service: str, text: ReadText) -> None:
        place = text.place or f"{service}: text {text.sha256}"
        erased = self._erased.get((service, text.sha256))
        if text.content is None:
            later = erased is None and self._may_be_later(service, text)
            self._findings.look(Check.TEXTS, erased is not None or later, place, "nobody has erased it, and it is gone")
            if later:
                self._findings.list_it(
                    Check.TEXTS, place, f"erased at {text.erased_at}, after what is audited: its event is yet to be seen"
                )
            return
        said = _commitment_of(text)
        self._findings.look(Check.TEXTS, said == text.sha256, place, f"{text.sha256} is not what this text and its salt give")
        self._findings.look(Check.TEXTS, erased is None, place, f"it was erased at {erased}, and is here")

    def _may_be_later(self, service: str, text: ReadText) -> bool:
        """Whether it was erased after what is audited."""
        last = self._last.get(service)
        return text.erased_at is not None and (last is None or text.erased_at > datetime.fromisoformat(last) - _LATE)


def _commitment_of(text: ReadText) -> str:
    try:
        return commitment_to(bytes.fromhex(text.salt or ""), text.content or "").removeprefix(PREFIX)
    except ValueError:
        return "none: its salt is not hex"
