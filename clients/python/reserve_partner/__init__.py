"""The Reserve's API for partners: typed calls, sync and async, the feed, webhooks, and checks that need no network."""

from reserve_partner._async.client import AsyncClient
from reserve_partner._sync.client import Client
from reserve_partner.answers import Bulk, BulkItem, DrawItem, RequestItem
from reserve_partner.models import Event, RequestBody
from reserve_partner.problems import NoAnswer, NoToken, Problem, ProblemError
from reserve_partner.webhooks import WebhookInvalid, WebhookTest, verify_webhook

__all__ = [
    "AsyncClient",
    "Bulk",
    "BulkItem",
    "Client",
    "DrawItem",
    "Event",
    "NoAnswer",
    "NoToken",
    "Problem",
    "ProblemError",
    "RequestBody",
    "RequestItem",
    "WebhookInvalid",
    "WebhookTest",
    "verify_webhook",
]
