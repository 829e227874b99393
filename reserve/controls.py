"""Controls: what each command of each service does to what people hold, so who may give it; and that none has been forgotten.

`python -m reserve.controls` says it, and fails for a command without one.
"""

import sys

from services.registry import JOURNALED, service
from shared.terms.countersigning import Class, Control, Countersigned, without_control


def main() -> None:
    services = [service(name) for name in JOURNALED]
    forgotten = [
        f"{each.name}: {name}" for each in services for decider in each.deciders for name in without_control(decider, each.controls)
    ]
    if forgotten:
        sys.exit("no control says who may give these commands:\n" + "\n".join(forgotten))
    for each in services:
        for command, control in each.controls.items():
            print(f"{each.name:<10} {command.__name__:<24} {said(control)}")


def said(control: Control) -> str:
    if not isinstance(control, Countersigned):
        return control.value
    where = "" if control.only is None else ", where it is beyond what was approved"
    return f"{Class.MOVES_VALUE}: another person signs, under {control.act}{where}"


if __name__ == "__main__":
    main()
