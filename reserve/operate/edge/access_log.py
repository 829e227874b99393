"""The access log: a line of JSON for each request of a caller, on standard output, with the names that the services' own lines have.

`reserve up` keeps it in `logs/edge.log`; in the image it is the container's output. What could be a secret is not in it: no header but the
request's id, no query, no body; nor where a caller comes from, which is about a person.
"""

from typing import Any

LONGEST_METHOD, LONGEST_PATH = 20, 400  # characters; what is longer is cut

FIELDS: dict[str, str] = {
    "service": "edge",
    "event": "request",
    "timestamp": "%START_TIME(%Y-%m-%dT%H:%M:%S.%6fZ)%",
    "request_id": "%REQ(x-request-id)%",
    "correlation_id": "%DYNAMIC_METADATA(each:correlation_id)%",  # of the events that came of it: the trace
    "client": "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:claims:client_id)%",  # of a token that was verified
    "method": f"%REQ(:method):{LONGEST_METHOD}%",
    "path": f"%REQ(x-forwarded-prefix)%%PATH(NQ:PATH):{LONGEST_PATH}%",  # the prefix was taken off for the service
    "status": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",  # who answered, and why: via_upstream is the service's own answer
    "upstream": "%UPSTREAM_CLUSTER%",
    "received_bytes": "%BYTES_RECEIVED%",
    "sent_bytes": "%BYTES_SENT%",
    "duration_ms": "%DURATION%",
}


def access_log() -> list[dict[str, Any]]:
    """Envoy's, of a listener's connection manager."""
    typed = {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
        "log_format": {"json_format": FIELDS, "omit_empty_values": True},
    }
    return [{"name": "envoy.access_loggers.stdout", "typed_config": typed}]
