"""Controls: what each command of the ledger does to what people hold, and so who may give it."""

from services.ledger.domain.log import RecordCheckpoint, RecordWitnessed
from services.ledger.domain.webhooks import (
    RegisterWebhook,
    RemoveWebhook,
    ReplayWebhook,
    ResumeWebhook,
    RotateWebhookSecret,
    StopWebhook,
)
from shared.terms.countersigning import Class, Controls

CONTROLS: Controls = {
    RecordCheckpoint: Class.FOLLOWS,
    RecordWitnessed: Class.FOLLOWS,
    RegisterWebhook: Class.PREPARES,
    RemoveWebhook: Class.PREPARES,
    ReplayWebhook: Class.PREPARES,
    ResumeWebhook: Class.PREPARES,
    RotateWebhookSecret: Class.PREPARES,
    StopWebhook: Class.PREPARES,
}
