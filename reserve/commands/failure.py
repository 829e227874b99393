"""How a command says no: one line on standard error, and an exit code."""

import re
from typing import NoReturn

import typer

CHECK_FAILED = 1  # something was checked and found wrong
BAD_INPUT = 2  # the command cannot start with what it was given, or not go on to the end
SEEN_BY_NOBODY = 3  # all that was checked holds, and nothing that is pinned, or was kept, shows that others see the same


def fail(message: str, exit_code: int = BAD_INPUT) -> NoReturn:
    typer.echo(f"reserve: {message}", err=True)
    raise typer.Exit(exit_code)


def why(error: BaseException | None) -> str:
    """In words, with what caused it, also where a library's error has none: "read timeout" for `ReadTimeout()`."""
    said: list[str] = []
    while error is not None:
        words = str(error) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
        said += [words] if words not in said else []
        error = error.__cause__
    return ": ".join(said)
