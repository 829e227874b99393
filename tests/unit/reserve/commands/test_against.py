"""A receipt held against a deployment of now: what is shown under pinned keys counts, and what its operator says does not."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import pytest
import typer
from msgspec.structs import replace

from reserve.audit.evidence import LogOfHistory
from reserve.audit.live import LiveEvidence
from reserve.commands.against import Held, Shown, shown_by
from reserve.commands.caller import nobody_at
from reserve.commands.failure import BAD_INPUT, CHECK_FAILED
from reserve.commands.receipt import witness_policy
from services.ledger.receipt import verify_receipt
from shared.proofs.checkpoint import TreeHead, open_checkpoint
from shared.proofs.fork import ForkProof, prove_fork
from shared.proofs.history import read_commitment
from shared.proofs.signed_note import Note
from tests.stories.audit import Told, changed, shown_of, told
from tests.stories.restored import Restored, leaves_in
from tests.stories.vouching import GENEVA, NOBODY, POLICY, POLICY_TEXT, TOKYO

TO_SEE = 1_790_000_000  # when witnesses cosigned, in seconds since 1970


@pytest.fixture
def history(tmp_path: Path) -> Restored:
    return Restored(tmp_path)


class Server:
    """What a deployment serves of this to anybody. `histories`: as it tells them, which a liar changes."""

    def __init__(self, history: Told) -> None:
        self._history = history
        current = LogOfHistory(history.history, str(history.log_key), history.commitment)
        self.histories = [*(log for log, _ in history.ended), current]

    def answer(self, path: str) -> bytes | None:
        match path.removeprefix("/ledger/v1/").split("/"):
            case ["checkpoint"]:
                return self._history.signed[-1].note.encode()
            case ["histories"]:
                return msgspec.json.encode({"data": self.histories})
            case ["consistency", old, size]:
                return _shown(self._history.tree, int(old), int(size))
            case ["histories", number, "consistency", old, size]:
                return _shown(next(leaves for log, leaves in self._history.ended if log.history == int(number)), int(old), int(size))
        raise AssertionError(f"nobody has to ask for {path}")

    async def shows(self, held: Held) -> Shown:
        with _serving(self) as url:
            async with nobody_at(url) as client:
                return await shown_by(LiveEvidence(client), url, held)

    async def refuses(self, held: Held, said: pytest.CaptureFixture[str]) -> str:
        with pytest.raises(typer.Exit) as ended:
            await self.shows(held)
        assert ended.value.exit_code == CHECK_FAILED
        return said.readouterr().err


def _shown(leaves: list[bytes], old: int, size: int) -> bytes | None:
    shown = shown_of(leaves, old, size)
    return None if shown is None else msgspec.json.encode(shown)


@contextmanager
def _serving(server: Server) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = server.answer(self.path)
            content = b'{"code": "size_not_found"}' if found is None else found
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()


def held(folder: Path, receipt: str, *pinned: object) -> Held:
    keys = [key for each in pinned for key in (each.pinned if isinstance(each, Restored) else [each])]
    return Held(folder / "receipt", verify_receipt(receipt, keys), keys)  # type: ignore[arg-type]


async def test_a_receipt_of_the_log_that_is_served_stands_in_it(history: Restored, tmp_path: Path) -> None:
    shown = await Server(history).shows(held(tmp_path, history.early_receipt, history.old_key))
    assert shown.missing is None and shown.proven["stands in"].startswith(f"the log of {len(history.tree)} leaves at ")


async def test_what_is_kept_of_a_log_that_ended_is_shown_by_the_first_leaf_of_the_next_one(history: Restored, tmp_path: Path) -> None:
    history.begin_history(history.marked, known=history.late)
    history.go_on()
    shown = await Server(history).shows(held(tmp_path, history.early_receipt, history))
    kept = leaves_in(history.early, history.old_key)
    assert shown.missing is None
    assert shown.proven["stands in"].startswith(f"the log of history 1, which has ended: history 2 begins after the first {kept} leaves")


async def test_through_two_logs_that_ended_each_is_shown_by_the_first_leaf_of_the_next(history: Restored, tmp_path: Path) -> None:
    history.begin_history(history.marked)
    history.go_on()
    history.begin_history(history.mark())
    history.seal("newest", told()["register"])
    history.sign("newest_signed")
    receipt = held(tmp_path, history.early_receipt, history)
    server = Server(history)
    assert (await server.shows(receipt)).proven["stands in"].startswith("the log of history 1, which has ended: history 2 begins")


async def test_who_has_not_pinned_the_next_logs_key_has_its_operators_word_alone(history: Restored, tmp_path: Path) -> None:
    """It may be anybody's log."""
    history.begin_history(history.marked, known=history.late)
    history.go_on()
    shown = await Server(history).shows(held(tmp_path, history.early_receipt, history.old_key))
    assert shown.missing is not None and shown.proven == {}
    assert f"nothing shows it: the key of {history.log_key.name} is not pinned" in shown.missing


async def test_a_commitment_that_the_log_does_not_begin_with_is_believed_by_nobody(
    history: Restored, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The holder of a receipt of what is lost is told that it is kept; all that is said is signed by the old log's key."""
    lost = history.late_receipt
    history.begin_history(history.marked, known=history.late)
    history.go_on()
    server = Server(history)
    receipt = held(tmp_path, lost, history)
    said = await server.refuses(receipt, capsys)
    assert "it was signed, and is lost" in said and "is not pinned" not in said
    assert history.commitment is not None
    true = read_commitment(history.commitment.encode())
    more = replace(true, before=replace(true.before, kept=leaves_in(history.late, history.old_key), kept_checkpoint=history.late))
    server.histories[-1] = replace(server.histories[-1], commitment=more.leaf.decode())
    said = await server.refuses(receipt, capsys)
    assert f"{history.log_key.name} does not begin with what" in said


async def test_what_nothing_shows_for_want_of_tiles_is_said(history: Restored, tmp_path: Path) -> None:
    """The event is among what is kept; the receipt is of a tree that has more."""
    receipt = history.receipt("lot", history.signed[-1])
    history.begin_history(history.marked, known=history.late, tiles=False)
    history.go_on()
    kept, size = (leaves_in(note, history.old_key) for note in (history.early, history.late))
    shown = await Server(history).shows(held(tmp_path, receipt, history))
    assert shown.missing is not None and shown.proven == {}
    assert f"nothing shows that the {kept} leaves which are kept and the {size} of the receipt are of one tree" in shown.missing
    history.ended[0] = history.ended[0][0], _tiles_of(tmp_path)
    assert (await Server(history).shows(held(tmp_path, receipt, history))).missing is None


def _tiles_of(folder: Path) -> list[bytes]:
    return list(Restored(folder).tree)


@pytest.mark.parametrize("grown", [False, True])
async def test_an_old_log_that_is_rewritten_below_what_is_kept_is_a_fork_to_who_has_one_receipt(
    history: Restored, tmp_path: Path, capsys: pytest.CaptureFixture[str], grown: bool
) -> None:
    """`grown`: it is of more leaves than are kept, and the tiles that it was signed over are there."""
    story = told()
    changed(story, "lot", origin="elsewhere")
    other = Restored(tmp_path, story)
    other.begin_history(other.marked, known=history.late, tiles=False)
    other.go_on()
    receipt = history.early_receipt
    if grown:
        receipt = history.receipt("lot", history.signed[-1])
        other.ended[0] = other.ended[0][0], list(history.tree)
    said = await Server(other).refuses(held(tmp_path, receipt, other), capsys)
    assert "leaves of the log are others now" in said
    seen, served = fork_in(tmp_path, history)
    assert seen != served


def fork_in(folder: Path, history: Restored) -> tuple[TreeHead, TreeHead]:
    [file] = folder.glob("receipt.fork-*.json")
    return prove_fork(msgspec.json.decode(file.read_bytes(), type=ForkProof), [history.old_key])


@pytest.mark.parametrize("enough", [True, False])
async def test_when_the_end_of_the_old_log_was_witnessed_is_said(history: Restored, tmp_path: Path, enough: bool) -> None:
    late = open_checkpoint(history.late, [history.old_key])
    witnesses = (TOKYO, GENEVA) if enough else (TOKYO, NOBODY)
    cosigned = history.late + Note("", tuple(each.cosign(late, TO_SEE) for each in witnesses)).signature_lines
    history.begin_history(history.marked, known=cosigned)
    history.go_on()
    receipt = replace(held(tmp_path, history.early_receipt, history), policies=[POLICY])
    end = (await Server(history).shows(receipt)).proven["its end"]
    assert end.startswith(f"{late.head.size} leaves")
    assert ("witnessed 2026-09-21T14:13:20+00:00" in end, "not enough pinned witnesses" in end) == (enough, not enough)


async def test_what_is_not_answered_is_no_finding(history: Restored, tmp_path: Path) -> None:
    """Exit code 2: what shows nothing of its first leaf may show it another time."""
    history.begin_history(history.marked)
    history.go_on()
    receipt = held(tmp_path, history.early_receipt, history)
    server = Server(history)
    history.tree = history.tree[:1]
    with pytest.raises(typer.Exit) as ended:
        await server.shows(receipt)
    assert ended.value.exit_code == BAD_INPUT


async def test_another_log_is_not_the_one_that_the_receipt_is_of(
    history: Restored, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor does its first leaf make it one."""
    another = Restored(tmp_path / "another")
    said = await Server(another).refuses(held(tmp_path, history.early_receipt, history), capsys)
    assert "is another log" in said
    another.begin_history(another.marked)
    another.go_on()
    said = await Server(another).refuses(held(tmp_path, history.early_receipt, history.old_key, another.log_key), capsys)
    assert "is another log" in said


def test_a_pinned_policy_that_asks_nobody_to_cosign_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "policy"
    file.write_text(POLICY_TEXT)
    assert witness_policy(file).quorum == "both"
    file.write_text(POLICY_TEXT.replace("quorum both", "quorum none"))
    with pytest.raises(typer.Exit) as ended:
        witness_policy(file)
    assert ended.value.exit_code == BAD_INPUT
    assert "its quorum is none" in capsys.readouterr().err
