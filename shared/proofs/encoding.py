"""The two text encodings that C2SP formats share, read strictly: one value has one spelling, so a signed text has no twin."""

import base64
import binascii
import re

MAX_DECIMAL = 2**63 - 1
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


def encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes:
    """RFC 4648 section 4, canonical only. Raises ValueError for another alphabet, missing padding, or stray bits in the last character."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error
    if encode_base64(data) != text:
        raise ValueError("base64 is not canonical")
    return data


def decode_decimal(text: str) -> int:
    """An ASCII decimal in 0..2^63-1 without leading zeroes. Raises ValueError."""
    if not _DECIMAL.fullmatch(text) or (value := int(text)) > MAX_DECIMAL:
        raise ValueError("not a decimal number in 0..2^63-1 without leading zeroes")
    return value
