"""Refusals as the API gives them (RFC 9457). Decide on `code`: it is stable, and docs/api/problems.md has what each of them asks for."""

from typing import Any

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request. `field`: a JSON pointer into the body, or `query:name`, `path:name`, `header:name`."""

    field: str
    detail: str
    accepted: str | None = None


class Problem(msgspec.Struct, frozen=True):
    """A refusal has changed nothing. `accepted`: what would be accepted in place of what was sent."""

    status: int
    code: str
    title: str = ""
    detail: str = ""
    field: str | None = None
    accepted: str | None = None
    instance: str | None = None
    errors: list[Fault] = []


class ProblemError(Exception):
    """The API refused. `retry_after_s`: the seconds after which it may be asked again, where it said so."""

    def __init__(self, problem: Problem, retry_after_s: float | None = None) -> None:
        self.problem = problem
        self.retry_after_s = retry_after_s
        accepted = "" if problem.accepted is None else f" (accepted: {problem.accepted})"
        where = "" if problem.field is None else f" in {problem.field}"
        super().__init__(f"{problem.status} {problem.code}{where}: {problem.detail}{accepted}")

    @property
    def status(self) -> int:
        return self.problem.status

    @property
    def code(self) -> str:
        """Of an answer that is no problem document, such as a proxy's: `http_` and its status."""
        return self.problem.code

    @property
    def field(self) -> str | None:
        return self.problem.field


class NoAnswer(Exception):
    """Nobody answered in time, or the connection was cut. A command may have been done: send it again under the same key."""


class NoToken(Exception):
    """The issuer gave no access token."""


def read_problem(status: int, content: bytes) -> Problem:
    """Of any answer that is an error."""
    try:
        found = msgspec.json.decode(content, type=dict[str, Any])
        return msgspec.convert({"status": status, "code": f"http_{status}"} | found, Problem)
    except msgspec.MsgspecError:
        return Problem(status=status, code=f"http_{status}", detail=content[:200].decode(errors="replace"))
