"""`python -m bench.files FOLDER`: answers each GET with the file of that path and query, and says at which port."""

import asyncio
import sys
from pathlib import Path


def file_of(folder: Path, path: str, query: str = "") -> Path:
    return folder / path.strip("/") / "answer" / (query or "all")


async def _head(reader: asyncio.StreamReader) -> bytes:
    """Of the next request; nothing at the end."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return b""


async def main(folder: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            path, _, query = head.split(b" ", 2)[1].decode().partition("?")
            file = file_of(folder, path, query)
            body, status = (file.read_bytes(), b"200 OK") if file.exists() else (b"{}", b"404 Not Found")
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
