"""Whom calls over TLS trust."""

import functools
import ssl
import sys
from importlib.util import find_spec

import httpx

if find_spec("sniffio") is None:
    # httpcore asks for it some times a request, and what is not there is looked for on the disk: a quarter of the time of a request.
    sys.modules["sniffio"] = None  # type: ignore[assignment]


@functools.cache
def trusted() -> ssl.SSLContext:
    """The authorities that httpx finds by itself (SSL_CERT_FILE, SSL_CERT_DIR, else certifi's), for every client of this process: to read
    them takes 30 ms, also for a client that calls no https."""
    return httpx.create_ssl_context()
