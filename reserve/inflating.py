"""What is read of an answer: inflated where it came gzipped, and never more than the largest there is, whatever is sent."""

import zlib

import httpx

from shared.journal.messages import FEED_LIMIT
from shared.journal.record import MAX_DATA_BYTES

ANSWER_BYTES = FEED_LIMIT * (MAX_DATA_BYTES + 8 * 1024)  # 74 MB: a journal's page of the largest records
_GZIP = 31  # of zlib: its header and its checksum


class AnswerRefused(httpx.TransportError):
    """An answer that is not read to its end: it is larger than any is, or not coded as it says."""


def inflated(sent: bytes, coding: str | None) -> bytes:
    """The content of an answer. `coding`: its `Content-Encoding`. Raises AnswerRefused."""
    if coding not in (None, "gzip"):
        raise AnswerRefused(f"the answer is coded as {coding!r}, which nobody asked for (accepted: gzip)")
    content = sent if coding is None else _unzipped(sent)
    if len(content) > ANSWER_BYTES:
        raise AnswerRefused(f"the answer is larger than {ANSWER_BYTES:,} bytes, which none is: it is read no further")
    return content


def _unzipped(sent: bytes) -> bytes:
    unpack = zlib.decompressobj(wbits=_GZIP)
    try:
        content = unpack.decompress(sent, ANSWER_BYTES + 1)
    except zlib.error as error:
        raise AnswerRefused("the answer says that it is gzip, and is not") from error
    if len(content) <= ANSWER_BYTES and (not unpack.eof or unpack.unused_data):
        raise AnswerRefused("the answer is not one whole piece of gzip")
    return content
