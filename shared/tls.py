"""Whom calls over TLS trust."""

import functools
import ssl

import httpx


@functools.cache
def trusted() -> ssl.SSLContext:
    """The authorities that httpx finds by itself (SSL_CERT_FILE, SSL_CERT_DIR, else certifi's), for every client of this process: to read
    them takes 30 ms, also for a client that calls no https."""
    return httpx.create_ssl_context()
