"""Settings: none changes a rule, and none is forgotten."""

from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from reserve.operate.migrate import ROOT
from reserve.settings import READ_BY, REASONS, read_elsewhere, unknown, without_reason
from shared.settings import Settings


class More(BaseSettings):
    port: int = 0
    objection_days: int = 10


def test_each_setting_has_a_reason_and_each_reason_is_of_a_setting() -> None:
    assert without_reason() == []
    assert REASONS.keys() <= {name for kind in READ_BY for name in kind.model_fields}
    assert without_reason([More]) == ["objection_days"]


def test_nobody_else_reads_the_environment(tmp_path: Path) -> None:
    assert list(read_elsewhere(ROOT)) == []
    for name, text in {
        "reads": "import os\nDAYS = os.environ['DAYS']",
        "gets": "from os import getenv",
        "settings": "from pydantic_settings import BaseSettings",
        "none": "import os\nos.getpid()",
    }.items():
        (tmp_path / "services").mkdir(exist_ok=True)
        (tmp_path / "services" / f"{name}.py").write_text(text)
    assert list(read_elsewhere(tmp_path)) == ["services/gets.py", "services/reads.py", "services/settings.py"]


def test_what_looks_like_a_setting_and_is_none_is_named() -> None:
    environment = ["RESERVE_PORT", "DATABASE_URL", "RESERVE_CACHE", "RESERVE_ALLOCATION_LEAD_DAYS", "HOME"]
    assert unknown([*environment, "RESERVE_TIMEZONE", "RESERVE_ALLOCATION_OBJECTION_DAYS"]) == [
        "RESERVE_ALLOCATION_OBJECTION_DAYS",
        "RESERVE_TIMEZONE",
    ]


def test_the_zone_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESERVE_TIMEZONE", "Pacific/Kiritimati")
    assert str(Settings().zone) == "Australia/Sydney"
