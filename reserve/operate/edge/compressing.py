"""Compression: what is text and large goes out gzipped to whoever accepts that. Tiles are hashes, which gzip makes larger; a stream of
events is not kept back for a better ratio."""

from typing import Any

LARGE_BYTES = 4096  # a smaller answer fits two or three packets as it is, and costs the processor nothing: draws, tokens


def compressor(filters: str) -> dict[str, Any]:
    """Envoy's, of an HTTP filter chain, for the kinds that it compresses by itself: JSON, HTML, CSS, scripts, SVG. What has an ETag stays
    as it is: its bytes are what `If-Match` is about, and Envoy would take the tag away. Memory of each answer under way: 96 KiB."""
    gzip = {
        "@type": "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip",
        "compression_level": "BEST_SPEED",
        "window_bits": 14,
        "memory_level": 6,
    }
    typed = {
        "@type": f"{filters}.compressor.v3.Compressor",
        "response_direction_config": {
            "common_config": {"min_content_length": LARGE_BYTES},
            "disable_on_etag_header": True,
        },
        "compressor_library": {"name": "gzip", "typed_config": gzip},
    }
    return {"name": "envoy.filters.http.compressor", "typed_config": typed}
