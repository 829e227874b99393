"""C2SP tlog-policy: which logs count, and which witnesses must have cosigned a checkpoint before it does. Source: c2sp.org/tlog-policy."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import msgspec

from shared.proofs.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from shared.proofs.cosignature import COSIGNER_KEY_BYTES, ML_DSA_44, Cosignature, CosignerKey, parse_cosigner_key
from shared.proofs.signed_note import (
    NOTE_ED25519,
    NOTE_KEY_BYTES,
    NoteMalformed,
    NoteUnverified,
    Signature,
    SignatureWrong,
    VerifierKey,
    parse_note,
    read_key,
)

NONE = "none"
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

type LogKey = VerifierKey | CosignerKey  # of Ed25519, or of ML-DSA-44: with that one a log signs what it publishes, as a cosigner does


class PolicyMalformed(ValueError):
    """The text is no policy; the message names the line."""


class NotWitnessed(NoteUnverified):
    """The log signed the checkpoint; too few of its witnesses did."""


class PolicyWitness(msgspec.Struct, frozen=True):
    """`url`: where it takes checkpoints."""

    name: str
    key: CosignerKey
    url: str | None = None


class WitnessGroup(msgspec.Struct, frozen=True):
    needs: int
    members: tuple[str, ...]


class WitnessPolicy(msgspec.Struct, frozen=True):
    logs: tuple[LogKey, ...]
    witnesses: Mapping[str, PolicyWitness]
    groups: Mapping[str, WitnessGroup]
    quorum: str

    def of_logs(self, *keys: VerifierKey) -> Self:
        """The same witnesses, of logs that are pinned elsewhere."""
        return msgspec.structs.replace(self, logs=keys)

    def is_met(self, cosigned: Collection[str], name: str | None = None) -> bool:
        """Whether the witnesses of those names are enough. `name`: of a group or a witness; None: the quorum."""
        name = self.quorum if name is None else name
        if name == NONE:
            return True
        if (group := self.groups.get(name)) is None:
            return name in cosigned
        return sum(self.is_met(cosigned, member) for member in group.members) >= group.needs


class Witnessed(msgspec.Struct, frozen=True):
    """A checkpoint that satisfies a policy, and who cosigned it, by their names in it."""

    checkpoint: Checkpoint
    cosignatures: Mapping[str, Cosignature]
    at: int  # seconds since 1970: by then, enough had cosigned it; who lies alone can move it only as far as the policy trusts one alone


def parse_policy(text: str) -> WitnessPolicy:
    """Raises PolicyMalformed."""
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), 1):
        words = line.replace("\t", " ").split(" ")
        words = [word for word in words if word]
        try:
            if _FORBIDDEN.search(line):
                raise PolicyMalformed("a control character")
            if words and not words[0].startswith("#"):
                reader.take(words)
        except (PolicyMalformed, NoteMalformed) as error:
            raise PolicyMalformed(f"line {number}: {error}") from error
    if reader.quorum is None:
        raise PolicyMalformed("a policy has one line that says the quorum")
    return WitnessPolicy(tuple(reader.logs), reader.witnesses, reader.groups, reader.quorum)


def pinned_policy(data: Path) -> WitnessPolicy | None:
    """Who has to cosign, as the deployment in this folder pins it; None: nobody. Raises PolicyMalformed."""
    file = data / "keys" / "witnesses.policy"
    try:
        policy = parse_policy(file.read_text())
    except FileNotFoundError:
        return None
    except PolicyMalformed as error:
        raise PolicyMalformed(f"{file}: {error}") from error
    if policy.quorum == NONE:
        raise PolicyMalformed(f"{file}: its quorum is {NONE}: remove the file where no witness is to cosign")
    if silent := [witness.name for witness in policy.witnesses.values() if not _is_address(witness.url)]:
        raise PolicyMalformed(
            f"{file}: {', '.join(silent)} without the URL that checkpoints are sent to (accepted: https://witness.example)"
        )
    return policy


def _is_address(url: str | None) -> bool:
    try:
        parts = urlsplit(url or "")
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


class _Reader:
    def __init__(self) -> None:
        self.logs: list[LogKey] = []
        self.witnesses: dict[str, PolicyWitness] = {}
        self.groups: dict[str, WitnessGroup] = {}
        self.quorum: str | None = None
        self._in_groups: set[str] = set()

    def take(self, words: Sequence[str]) -> None:
        match words:
            case ["log", key, *url] if len(url) <= 1:
                self._log(_parse_log_key(key))
            case ["witness", name, key, *url] if len(url) <= 1:
                self._witness(PolicyWitness(self._new(name), parse_cosigner_key(key), url[0] if url else None))
            case ["group", name, needs, *members] if members:
                self._group(name, needs, members)
            case ["quorum", name]:
                self._quorum(name)
            case _:
                raise PolicyMalformed(f"it is no line of a log, a witness, a group or the quorum: {words[0]}")

    def _log(self, key: LogKey) -> None:
        if any(each.public_key == key.public_key for each in self.logs):
            raise PolicyMalformed("the log's key is there already")
        self.logs.append(key)

    def _witness(self, witness: PolicyWitness) -> None:
        if any(each.key.public_key == witness.key.public_key for each in self.witnesses.values()):
            raise PolicyMalformed("the witness's key is there already")
        self.witnesses[witness.name] = witness

    def _group(self, name: str, needs: str, members: Sequence[str]) -> None:
        self._new(name)
        for member in members:
            if member not in self.witnesses and member not in self.groups:
                raise PolicyMalformed(f"{member} is no witness and no group of a line before")
            if member in self._in_groups:
                raise PolicyMalformed(f"{member} is in a group already")
            self._in_groups.add(member)
        counts = {"any": 1, "all": len(members)}
        count = counts.get(needs) or (int(needs) if re.fullmatch(r"[1-9][0-9]{0,3}", needs) else 0)
        if not 1 <= count <= len(members):
            raise PolicyMalformed(f"{needs} of {len(members)} members (accepted: any, all, 1 to {len(members)})")
        names = [self._names(member) for member in members]
        of_all = set[str]().union(*names)
        if count > 1 and len(of_all) > 1 and sum(map(len, names)) > len(of_all):
            twice = sorted(each for each in of_all if sum(each in some for some in names) > 1)
            raise PolicyMalformed(
                f"{', '.join(twice)} has several keys in it, and would be counted as several witnesses (accepted: a group of its own)"
            )
        self.groups[name] = WitnessGroup(count, tuple(members))

    def _names(self, member: str) -> set[str]:
        """Of those whose keys are in a member of a group."""
        if (group := self.groups.get(member)) is None:
            return {self.witnesses[member].key.name}
        return set[str]().union(*map(self._names, group.members))

    def _quorum(self, name: str) -> None:
        if self.quorum is not None:
            raise PolicyMalformed("a policy has one quorum")
        if name != NONE and name not in self.witnesses and name not in self.groups:
            raise PolicyMalformed(f"{name} is no witness and no group of a line before")
        self.quorum = name

    def _new(self, name: str) -> str:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise PolicyMalformed(f"the name {name} is taken")
        return name


def _parse_log_key(text: str) -> LogKey:
    name, algorithm, public_key = read_key(text, {NOTE_ED25519: NOTE_KEY_BYTES, ML_DSA_44: COSIGNER_KEY_BYTES[ML_DSA_44]})
    return CosignerKey(name, algorithm, public_key) if algorithm == ML_DSA_44 else VerifierKey(name, public_key)


def cosigned_by(
    witnesses: Iterable[PolicyWitness], checkpoint: Checkpoint, lines: Sequence[Signature]
) -> dict[str, tuple[Signature, Cosignature]]:
    """Of each of these witnesses that has cosigned it: its line, and what it says. Lines of other keys say nothing.

    Raises SignatureWrong."""
    found = {}
    for witness in witnesses:
        for line in lines:
            if (line.name, line.key_id) == (witness.key.name, witness.key.key_id):
                found[witness.name] = line, Cosignature.verified(checkpoint, line, witness.key)
    return found


def open_witnessed(note: str, *policies: WitnessPolicy) -> Witnessed:
    """The checkpoint, if one of a policy's logs signed it and enough of that policy's witnesses cosigned it. Of several policies any is
    enough: witnesses come and go.

    Raises NoteMalformed, NoteUnverified, NotWitnessed and SignatureWrong (NoteUnverified both). Lines of other keys say nothing.
    """
    *others, last = policies
    for policy in others:
        try:
            return _opened(note, policy)
        except NotWitnessed:
            continue
    return _opened(note, last)


def _opened(note: str, policy: WitnessPolicy) -> Witnessed:
    checkpoint = _signed_by(policy.logs, note)
    lines = cosigned_by(policy.witnesses.values(), checkpoint, parse_note(note).signatures)
    cosignatures = {name: cosignature for name, (_, cosignature) in lines.items()}
    if not policy.is_met(cosignatures):
        raise NotWitnessed(f"cosigned by {', '.join(sorted(cosignatures)) or 'nobody'}, which is not {policy.quorum}")
    return Witnessed(checkpoint, cosignatures, _met_at(policy, cosignatures))


def _signed_by(logs: Sequence[LogKey], note: str) -> Checkpoint:
    """The checkpoint, if one of its log's keys signed it, of either kind."""
    parsed = parse_note(note)
    checkpoint = parse_checkpoint(parsed.text)
    of_origin = [PolicyWitness(key.name, key) for key in logs if isinstance(key, CosignerKey) and key.name == checkpoint.origin]
    signed = cosigned_by(of_origin, checkpoint, parsed.signatures)
    try:
        return open_checkpoint(note, [key for key in logs if isinstance(key, VerifierKey)])
    except SignatureWrong:
        raise
    except NoteUnverified:
        if not signed:
            raise
        return checkpoint


def _met_at(policy: WitnessPolicy, cosignatures: Mapping[str, Cosignature]) -> int:
    times = sorted({cosignature.time for cosignature in cosignatures.values()})
    by = (({name for name, each in cosignatures.items() if each.time <= time}, time) for time in times)
    return next((time for names, time in by if policy.is_met(names)), 0)  # 0: a policy that asks for nobody
