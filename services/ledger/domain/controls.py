"""Controls: what each command of the log does to what people hold, and so who may give it."""

from services.ledger.domain.log import RecordCheckpoint, RecordWitnessed
from shared.terms.countersigning import Class, Controls

CONTROLS: Controls = {
    RecordCheckpoint: Class.FOLLOWS,
    RecordWitnessed: Class.FOLLOWS,
}
