"""What several commands are given, and how they print."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

Folder = Annotated[Path, typer.Option("--data", help="the deployment's folder")]
HERE = Path(".reserve")
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table")]
PinnedLogKey = Annotated[str | None, typer.Option("--log-key", help="the log's verifier key, as pinned; otherwise the folder's")]
LogKey = Annotated[str | None, typer.Option("--key", help="the log's verifier key, as pinned; otherwise the folder's")]
_LOG_KEYS = "the log's verifier key, as pinned, and those of histories before, if any; otherwise the folder's"
LogKeys = Annotated[list[str] | None, typer.Option("--key", help=_LOG_KEYS)]
PinnedLogKeys = Annotated[list[str] | None, typer.Option("--log-key", help=_LOG_KEYS)]
Policies = Annotated[
    list[Path] | None,
    typer.Option("--policy", help="a file that says who must have cosigned (C2SP tlog-policy), as pinned; of several, any is enough"),
]


def json_text(value: object) -> str:
    """With the spaces that people expect of a line of JSON."""
    import json

    return json.dumps(msgspec.to_builtins(value))
