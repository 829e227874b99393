"""Correlation: what a request belongs to, by its trace; without one, by its command."""

import re
from hashlib import sha256

from fastapi import Request
from opentelemetry import trace

_TRACE = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_HEX32 = re.compile(r"[0-9a-f]{32}")


def correlation_of(request: Request, identifier: str) -> str:
    """32 hex digits."""
    for name, value in request.scope["headers"]:
        if name == b"traceparent" and (found := _TRACE.fullmatch(value.decode("latin-1"))) is not None:
            return str(found[1])
    if (span := trace.get_current_span().get_span_context()).is_valid:
        return trace.format_trace_id(span.trace_id)
    return identifier if _HEX32.fullmatch(identifier) else sha256(identifier.encode()).hexdigest()[:32]
