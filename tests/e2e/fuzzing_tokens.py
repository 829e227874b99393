"""Schemathesis's tokens: the long run lasts longer than one does, so each is of the client that the environment names, and fetched anew."""

import base64
import json
import os
import time
import urllib.request
from functools import cache
from typing import Any

import schemathesis

ANEW_AFTER_S = 300  # of the 900 s for which a token holds


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    if case.headers is None:
        case.headers = {}
    case.headers["Authorization"] = f"Bearer {token(time.monotonic() // ANEW_AFTER_S)}"


@cache
def token(_span: float) -> str:
    client = f"{os.environ['RESERVE_FUZZ_CLIENT']}:{os.environ['RESERVE_FUZZ_SECRET']}".encode()
    headers = {"authorization": f"Basic {base64.b64encode(client).decode()}"}
    asked = urllib.request.Request(os.environ["RESERVE_FUZZ_TOKEN_URL"], b"grant_type=client_credentials", headers)  # noqa: S310
    with urllib.request.urlopen(asked) as answer:  # noqa: S310
        given: str = json.load(answer)["access_token"]
    return given
