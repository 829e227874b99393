"""Documents: each that an event names is in the bundle, and is that one. An audit opens those of decisions; this is of all the others.

One that is not there is listed: whether it was left out on the way, or was not to be had (`reserve audit export` says how many were not),
nothing in a bundle tells.
"""

import re
from collections.abc import Mapping
from hashlib import sha256

from reserve.audit.evidence import Recorded
from reserve.audit.journals import CODECS
from reserve.audit.report import Check, Findings
from reserve.audit.tables import DOCUMENTS_OF, naming_documents
from reserve.bundle.evidence import BundleEvidence
from shared.journal.codec import UnknownType

_SHA256 = re.compile(r"[0-9a-f]{64}")


def documents_named(service: str, record: Recorded, kinds: set[str]) -> tuple[str, ...]:
    """By SHA-256. `kinds`: as `naming_documents` gives them. An event that does not read as it should names none: the audit finds it."""
    if record.type.rpartition(".")[0] not in kinds:
        return ()
    try:
        names = DOCUMENTS_OF[service](CODECS[service].decode(record.type, record.data))
        return tuple(name for name in names if _SHA256.fullmatch(name))  # what else is called so leads to no file
    except (UnknownType, LookupError, TypeError, AttributeError, ValueError):
        return ()


async def look_at_documents(findings: Findings, evidence: BundleEvidence, covers: Mapping[str, int]) -> None:
    """`covers`: what is audited of each shard. Raises BadBundle."""
    for service in DOCUMENTS_OF:
        kinds, seen = naming_documents(service), set[str]()
        for shard in sorted(await evidence.heads(service)):
            async for page in evidence.journal(service, shard):
                for record in page:
                    if record.position > covers.get(f"{service}/{shard}", 0):
                        break
                    for name in documents_named(service, record, kinds):
                        if name not in seen:
                            seen.add(name)
                            _look(findings, record.place(service), name, await evidence.document(service, name))


def _look(findings: Findings, place: str, name: str, content: bytes | None) -> None:
    if content is None:
        findings.list_it(Check.DOCUMENTS, place, f"the document {name} is not in the bundle")
        return
    found = sha256(content).hexdigest()
    findings.look(Check.DOCUMENTS, found == name, place, f"the document {name} is another one: its SHA-256 is {found}")
