"""What one person can do alone is named in docs/authority.md: each command that one person gives, and no other."""

import re

from reserve.operate.migrate import ROOT
from services.registry import JOURNALED, service
from shared.terms.countersigning import CONTROLS, Class, Control, Countersigned

BY_ONE = {Class.PREPARES, Class.PROTECTS, Class.EXERCISES, Class.CORRECTS}


def is_given_by_one(control: Control) -> bool:
    return control.only is not None if isinstance(control, Countersigned) else control in BY_ONE


def test_the_document_names_each_command_that_one_person_gives_and_no_other() -> None:
    controls = [CONTROLS, *(service(name).controls for name in JOURNALED)]
    alone = {command.__name__ for each in controls for command, control in each.items() if is_given_by_one(control)}
    section = (ROOT / "docs/authority.md").read_text().partition("\n## What one person can do alone")[2].partition("\n## ")[0]
    rows = section.partition("| commands | alone, because |")[2].splitlines()
    named = [name for row in rows for name in re.findall(r"`([A-Z]\w+)`", row.partition(" | ")[0])]
    assert len(named) == len(set(named)), "each once"
    assert alone - set(named) == set(), "one person does this, and the document does not say why that is right"
    assert set(named) - alone == set(), "nobody does this alone"
