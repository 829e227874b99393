#!/usr/bin/env python3
"""A second verifier of a bundle, by nobody's code but this: the standard library and `cryptography`.

    python3 -I verify.py BUNDLE KEY [KEY ...]

BUNDLE: a folder that `reserve audit export` made. KEY: the log's verifier key (name+id+base64), as it reached you by another way than the
bundle; where there were histories before, theirs are known by what the newer log begins with.

It checks integrity (each event's hash, each journal's chain, each leaf, the tree, the signed checkpoint), completeness (no position is
missing, every leaf has its event, and every event that is covered its leaf) and approvals (each signature over its statement, by a key
that was enrolled and vouched for before, and not revoked, of another than the proposer). Of what events mean beyond that, and of the
books, it says nothing: `reserve audit verify BUNDLE` does. How each thing is made up is in check-it-yourself.md.

Exit code 0: all of it holds. 1: it does not, and where. 2: it is no bundle that this can read.
"""

import base64
import gzip
import json
import re
import sys
import zlib
from datetime import datetime, timedelta
from hashlib import file_digest, sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

NAME = re.compile(r"[a-z]+(/[a-z0-9][a-z0-9.]*)+")  # of a file: nothing in it leads out of the folder
LINE = 4 * 1024 * 1024  # bytes, at most
AT_ONCE = timedelta(seconds=60)  # shards are entered each by itself: what was recorded in one moment may stand in either order

# Of an event: what the signatures of approvers in it say that they are for. Its `decision`, or its `document`, is what was signed.
APPROVALS = {"round_approved": "decision", "round_certified": "decision", "tender_approved": "tender", "tender_certified": "tender"}
APPROVALS |= {"policy_approved": "policy", "decision_ratified": "ratification", "command_approved": "command"}
APPROVALS |= {"loan_approved": "loan_proposal", "act_approved": "loan_act", "holding_approved": "equity_proposal"}
APPROVALS |= {"holding_written_down": "equity_write_down", "holding_written_off": "equity_write_down"}
APPROVALS |= {"material_terms_approved": "material_loan", "deferral_approved": "material_deferral"}
# Of what another approver endorses, the paper that was signed is made of these fields of the event.
POWERS = "kind title office under holder acts products limit_g limit_minor currency valid_from valid_until may_sub_delegate window_days"
PAPERS = {"approver_key_enrolled": ("enrolment", "subject key public_key"), "person_named": ("person", "official person")}
PAPERS |= {"acting_officer_named": ("acting_officer", "instrument officer valid_from valid_until")}
PAPERS |= {"instrument_registered": ("instrument", f"instrument {POWERS}")}


class Wrong(Exception): ...


def must(fine, place, what):
    if not fine:
        raise Wrong(f"{place}: {what}")


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def unhex(text, size=None):
    data = bytes.fromhex(text)
    must(size in (None, len(data)), text[:80], f"it is not {size} bytes in hex")
    return data


class Bundle:
    """The files, each as the manifest says, and none beside."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.manifest = json.loads((self.folder / "manifest.json").read_bytes())
        if (self.manifest["format"], self.manifest["version"]) != ("reserve.audit-bundle", 1):
            raise ValueError("manifest.json is of another format, or another version")
        self.files = {file["name"]: file for file in self.manifest["files"]}
        if len(self.files) != len(self.manifest["files"]) or not all(map(NAME.fullmatch, self.files)):
            raise ValueError("manifest.json has a name that is none, or one twice")
        for path in self.folder.rglob("*"):
            name = path.relative_to(self.folder).as_posix()
            if path.is_symlink() or not (path.is_dir() or name in self.files or name in ("manifest.json", "manifest.sha256")):
                raise ValueError(f"{name} is a link, or a file that the manifest does not name")
        for name, file in self.files.items():
            with (self.folder / name).open("rb") as content:
                if file_digest(content, "sha256").hexdigest() != file["sha256"]:
                    raise ValueError(f"{name} is another file than the manifest says")

    def rows(self, prefix):
        """What the lines of a file, or of all parts of a series, hold."""
        for name in sorted(each for each in self.files if each.startswith(prefix)):
            left = self.files[name]["content_bytes"]
            with gzip.open(self.folder / name, "rb") as file:
                while line := file.readline(LINE):
                    left -= len(line)
                    if left < 0 or not line.endswith(b"\n"):
                        raise ValueError(f"{name}: there is more in it than the manifest says, or in a line of it than {LINE} bytes")
                    yield json.loads(line)
            if left:
                raise ValueError(f"{name}: it is shorter than the manifest says")


def open_key(text):
    """A C2SP verifier key: its name, its four-byte id, and the Ed25519 key."""
    name, key_id, data = text.strip().split("+", 2)
    raw = base64.b64decode(data, validate=True)
    said = sha256(name.encode() + b"\n" + raw).digest()[:4]
    if raw[:1] != b"\x01" or len(raw) != 33 or said.hex() != key_id:
        raise ValueError(f"{text}: it is no Ed25519 verifier key")
    return name, said, Ed25519PublicKey.from_public_bytes(raw[1:])


def open_checkpoint(note, key):
    """A C2SP checkpoint: size and root, if the key signed it."""
    name, key_id, public = key
    text, _, signatures = note.partition("\n\n")
    origin, size, root = text.split("\n")[:3]
    must(origin == name, "checkpoint", f"it is of {origin}, and the key of {name}")
    for line in signatures.splitlines():
        signed = base64.b64decode(line.split(" ")[2])
        if line.split(" ")[1] == name and signed[:4] == key_id:
            public.verify(signed[4:], text.encode() + b"\n")
            return int(size), base64.b64decode(root, validate=True).hex()
    raise Wrong(f"checkpoint: the key of {name} has not signed it")


class Tree:
    """RFC 6962: the root over leaves that come one by one."""

    def __init__(self):
        self.size, self.peaks = 0, []

    def add(self, data):
        node, self.size = sha256(b"\x00" + data).digest(), self.size + 1
        for _ in range((self.size & -self.size).bit_length() - 1):
            node = sha256(b"\x01" + self.peaks.pop() + node).digest()
        self.peaks.append(node)

    def root(self):
        node = self.peaks[-1] if self.peaks else sha256(b"").digest()
        for peak in reversed(self.peaks[:-1]):
            node = sha256(b"\x01" + peak + node).digest()
        return node.hex()


def journal(bundle, service, shard):
    """Each event of a shard, checked against the one before: (position, leaf, place, what was hashed)."""
    chain, position, recorded = bytes(32), 0, ""
    for row in bundle.rows(f"journals/{service}/{shard}/"):
        hashed, position = json.loads(row["hashed"]), position + 1
        history = hashed.get("history", 1)
        place = f"{service}{'' if history == 1 else f'~{history}'}/{shard}/{position}"
        must((hashed["position"], hashed["shard"]) == (position, int(shard)), place, f"position {hashed['position']} is here")
        must(canonical(hashed) == row["hashed"].encode(), place, "what is hashed is not in canonical JSON")
        salt, own = unhex(row["salt"], 16), unhex(row["event_hash"], 32)
        must(sha256(b"\x01" + salt + row["hashed"].encode()).digest() == own, place, "the event hash is not the event's")
        chain = sha256(b"\x02" + chain + own).digest()
        must(chain.hex() == row["chain_hash"], place, "the chain hash does not follow from the event before")
        must(hashed["recorded_at"] >= recorded, place, "it was recorded before the event before it")
        recorded = hashed["recorded_at"]
        yield position, sha256(b"\x03" + salt + place.encode() + own).digest(), place, hashed


class Approvals:
    """Keys as they were enrolled and revoked, and every signature, in the log's order."""

    def __init__(self, origins):
        self.origins, self.gone, self.signed, self.proposers, self.persons, self.enrolled = origins, {}, [], {}, {}, []
        self.keys, self.late = {True: {}, False: {}}, 0  # by whether their enrolment is covered; how often others have signed

    def see(self, place, hashed, covered=True):
        kind, data, at = hashed["type"].split(".")[1], hashed["data"], datetime.fromisoformat(hashed["recorded_at"])
        if kind == "approver_key_enrolled":
            self.keys[covered].setdefault((data["subject"], data["key"]), (data["public_key"], at))
            self.enrolled += [(place, at, data)] * covered
        if not covered:
            return  # of which nothing is said, but that it may hold the key of what is
        document = data.get("decision") or data.get("document")
        if document and data.get("proposed_by") and kind.endswith("_proposed"):
            self.proposers[document] = data["proposed_by"]
        if kind in PAPERS:
            purpose, fields = PAPERS[kind]
            paper = {name: data[name] for name in fields.split() if name in data and (name != "window_days" or data[name] is not None)}
            document = sha256(canonical({"format": f"reserve.{purpose}.v1", **paper})).hexdigest()
            self.signed += [(place, at, purpose, document, each, None) for each in map(data.get, ("possession", "endorsement")) if each]
        if kind in APPROVALS:
            given = [data["approval"]] if "approval" in data else data.get("approvals", [])
            proposer = self.proposers.get(document, data.get("proposed_by"))
            self.signed += [(place, at, APPROVALS[kind], document, each, proposer) for each in given]
            self.signed += [(place, at, "attestation", document, each, None) for each in [data.get("attestation")] if each]
        elif isinstance(data.get("approval"), dict) and "signature" in data["approval"]:
            raise Wrong(f"{place}: {kind} has an approval, and nothing is known of what it is for")
        if kind == "person_named":
            self.persons[data["official"]] = data["person"]
        elif kind == "approver_key_revoked":
            self.gone.setdefault((data["subject"], data["key"]), []).append([at, None])
        elif kind == "approver_key_restored" and self.gone.get((data["subject"], data["key"])):
            self.gone[data["subject"], data["key"]][-1][1] = at

    def check(self):
        for place, at, purpose, document, given, proposer in self.signed:
            who, key = given["subject"], given["key"]
            self.late += (who, key) not in self.keys[True]
            public, since = self.keys[True].get((who, key)) or self.keys[False].get((who, key)) or (None, None)
            must(public is not None and since <= at + AT_ONCE, place, f"{who} has no key {key} by then")
            lines, origin = [purpose, document, who, key], given.get("origin")
            must(origin is None or origin in self.origins, place, f"{who} signed for {origin}")
            second = ["reserve.approval.v2", origin, *lines, given.get("authority") or "-"]
            statement = "".join(f"{line}\n" for line in (["reserve.approval.v1", *lines] if origin is None else second)).encode()
            try:
                Ed25519PublicKey.from_public_bytes(unhex(public, 32)).verify(unhex(given["signature"], 64), statement)
            except InvalidSignature:
                raise Wrong(f"{place}: the key {key} of {who} did not sign this {purpose}") from None
            must(sha256(unhex(public)).hexdigest()[:16] == key, place, f"{key} is not the id of its key")
            for since, until in self.gone.get((who, key), ()):
                must(at <= since + AT_ONCE or (until and at + AT_ONCE >= until), place, f"the key {key} of {who} was revoked before")
            must(proposer != who, place, f"{who} proposed it, and approved it")
        # From the first key on that has signed its enrolment. Those of the first two persons nobody else could sign.
        since = min((at for _, at, data in self.enrolled if data.get("possession")), default=None)
        for place, at, data in [each for each in self.enrolled if since and each[1] >= since]:
            own, other, who = data.get("possession"), data.get("endorsement"), data["subject"]
            must(own and (own["subject"], own["key"]) == (who, data["key"]), place, "the key has not signed its enrolment")
            before = {self.persons.get(each["subject"], each["subject"]) for _, then, each in self.enrolled if then < at}
            must(other["subject"] != who if other else len(before) < 2, place, "no other approver has signed it")


def follow(bundle, pinned):
    """The whole of it: (events, leaves, signatures)."""
    told = list(bundle.rows("log/histories."))
    keys, sizes, roots = {pinned[0]: pinned}, {}, {}
    for log in reversed(told):  # each log is known by its key, which is pinned, or which the newer one names
        name = log["key"].partition("+")[0]
        must(name in keys and open_key(log["key"])[1] == keys[name][1], f"history {log['history']}", "its log's key is not pinned")
        if log.get("commitment"):
            before = json.loads(log["commitment"])["before"]
            older = open_key(before["key"])
            keys[older[0]] = older
            kept = open_checkpoint(before["kept_checkpoint"], older) if before["kept_checkpoint"] else (0, Tree().root())
            must(before["kept"] == kept[0], f"history {log['history']}", "it keeps another number of leaves than was signed")
            sizes[before["history"]], roots[before["history"]] = kept
    size, root = open_checkpoint((bundle.folder / "log/checkpoint").read_text("utf-8"), pinned)
    sizes[told[-1]["history"]], roots[told[-1]["history"]] = size, root
    approvals, signed, covers, own = Approvals(set(keys)), {}, None, 0
    lines = {line: line.partition("/") for line in sorted(bundle.manifest["heads"])}
    for line in (line for line in lines if line.startswith("ledger/")):
        for *_, hashed in journal(bundle, "ledger", lines[line][2]):
            own += 1
            if hashed["type"].startswith("ledger.checkpoint_signed."):
                said = hashed["data"]
                signed[hashed.get("history", 1), said["size"]] = said["root"]
                if (said["size"], said["root"]) == (size, root):
                    covers = said["covers"]
    must(covers is not None, "log/checkpoint", "the ledger never recorded it")
    reading = {line: journal(bundle, *parts[::2]) for line, parts in lines.items() if parts[0] != "ledger"}
    ahead, waiting, upto = {line: next(events, None) for line, events in reading.items()}, {}, dict.fromkeys(reading, 0)
    waiting = {event[1]: line for line, event in ahead.items() if event}
    for log in told:
        tree, history, leaves = Tree(), log["history"], bundle.rows(f"log/leaves/{log['history']}/")
        for index, leaf in zip(range(sizes[history]), leaves, strict=False):
            data = unhex(leaf)
            if index == 0 and log.get("commitment"):
                must(data == log["commitment"].encode(), f"history {history}", "its log begins with another commitment")
            else:
                must(data in waiting, f"leaf {index} of history {history}", "no event opens it, or it comes before its turn")
                line = waiting.pop(data)
                upto[line] = ahead[line][0]
                approvals.see(*ahead[line][2:])
                ahead[line] = next(reading[line], None)
                waiting |= {event[1]: line for event in [ahead[line]] if event}
            tree.add(data)
            if (history, tree.size) in signed:
                must(signed[history, tree.size] == tree.root(), f"leaf {index} of history {history}", "the leaves give another root")
        must((tree.size, tree.root()) == (sizes[history], roots[history]), f"history {history}", "the leaves are not what was signed")
    for line, position in covers.items():
        must(upto.get(line) == position, f"{line}/{position}", f"it is covered, and the leaves of {line} end with {upto.get(line)}")
    for line, events in reading.items():
        while ahead[line]:
            approvals.see(*ahead[line][2:], covered=False)
            ahead[line] = next(events, None)
    approvals.check()
    return own + sum(upto.values()), sum(sizes.values()), len(approvals.signed), approvals.late


def main(arguments):
    if len(arguments) < 2:
        raise SystemExit(__doc__)
    try:
        bundle, pinned = Bundle(arguments[0]), {key[0]: key for key in map(open_key, arguments[1:])}
        if bundle.manifest["origin"] not in pinned:
            raise ValueError(f"it is of another system: {bundle.manifest['origin']}")
        events, leaves, signatures, late = follow(bundle, pinned[bundle.manifest["origin"]])
    except (Wrong, InvalidSignature) as wrong:
        print(f"it does not hold: {str(wrong) or 'a checkpoint has a signature that is not its key'}", file=sys.stderr)
        return 1
    except (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, RecursionError, zlib.error) as error:
        print(f"no bundle: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    more = f"; {late} of them by keys whose enrolment is not covered yet: of those a later bundle says" if late else ""
    print(f"it holds: {events} events, {leaves} leaves, {signatures} signatures of approvers{more}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
