"""The ledger: the record of all services' events, their accounts, and the log that proves them."""

from services.allocation import events as allocation
from services.allocation.events.upcasts import UPCASTERS as ALLOCATION_UPCASTERS
from services.inventory import events as inventory
from services.inventory.events.upcasts import UPCASTERS as INVENTORY_UPCASTERS
from services.ledger.domain import log as log_stream
from services.ledger.domain import webhooks as webhook_streams
from services.ledger.domain.controls import CONTROLS
from services.ledger.entered import entered
from services.ledger.events import Event
from services.ledger.log import Log, keep_log
from services.ledger.news import News, tell_news
from services.ledger.order import take_again
from services.ledger.problems import ApiReason
from services.ledger.projections import project, take
from services.ledger.publishing.publisher import Publisher, keep_published
from services.ledger.tables import APPEND_ONLY, FIRST_ROWS, KEPT, metadata
from services.ledger.watch import watch_log
from services.ledger.webhooks.sending import Webhooks, send_webhooks
from services.loans import events as loans
from services.loans.events.upcasts import UPCASTERS as LOANS_UPCASTERS
from shared.process.service import Service, routed_in, subscription

SERVICE = Service(
    name="ledger",
    deciders=(log_stream.DECIDER, webhook_streams.DECIDER),
    of_one_party=frozenset({"webhooks"}),
    controls=CONTROLS,
    event_type=Event,
    project=project,
    tables=metadata,
    subscriptions=(
        subscription("inventory", inventory.Event, None, take=take, upcasters=INVENTORY_UPCASTERS),
        subscription(
            "allocation",
            allocation.Event,
            None,
            needs=lambda fact: allocation.documents_of(fact.event),
            take=take,
            upcasters=ALLOCATION_UPCASTERS,
        ),
        subscription(
            "loans",
            loans.Event,
            None,
            needs=lambda fact: loans.documents_of(fact.event),
            take=take,
            upcasters=LOANS_UPCASTERS,
        ),
    ),
    router=routed_in("services.ledger.api.routes"),
    reasons=ApiReason,
    parts=(Log, News, Publisher, Webhooks),
    tasks=(keep_log, tell_news, keep_published, watch_log, send_webhooks),
    append_only=APPEND_ONLY,
    kept=KEPT,
    first_rows=FIRST_ROWS,
    order=entered,
    before_taking=take_again,
)
