"""`reserve approve`, run on a document."""

from pathlib import Path

from typer.testing import CliRunner, Result

from reserve.__main__ import app
from tests.stories.log import LOG_KEY
from tests.stories.powers import INSTRUMENT


def approve(tmp_path: Path, content: bytes, *more: str) -> Result:
    key, file = tmp_path / "approver.pem", tmp_path / "document.json"
    if not key.exists():
        CliRunner().invoke(app, ["approver-key", "new", str(key)])
    file.write_bytes(content)
    named = ["--approver", "sub_1", "--authority", INSTRUMENT, "--log-key", str(LOG_KEY)]
    return CliRunner().invoke(app, ["approve", str(file), "--key", str(key), *named, *more])
