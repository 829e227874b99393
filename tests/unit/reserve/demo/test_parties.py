"""The demonstration waits for conditions, however long they take, and says for which."""

import re

import pytest

from reserve.demo.parties import until


async def test_what_the_story_waits_for_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("shared.observe.waiting.SAY_EVERY_S", 0.02)
    said: list[str] = []

    async def heard() -> str | None:
        said.append(capsys.readouterr().err)
        return next((line for line in "".join(said).splitlines() if line), None)

    said_of = await until("the release to lapse", heard)
    assert re.fullmatch(r"reserve: still waiting for the release to lapse, \d+ s", said_of)
