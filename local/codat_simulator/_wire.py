"""Answers that break off, drip, never end, or are another request's: what no HTTP library sends by itself."""

import asyncio
import json
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from typing import Final

from aiohttp import web

from local.codat_simulator.faults import WireFault

Hold = Callable[[float], Awaitable[None]]
"""Waits for so many seconds."""

_OK: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
_CHUNKED: Final = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
_BEGINNING: Final = {
    "drip-headers": _OK + b"X-Slow: ",
    "drip-body": _OK + b"Content-Length: 100000\r\n\r\n{",
    "drip-chunks": _CHUNKED,
    "endless-body": _OK + b"\r\n[0",
    "endless-chunks": _CHUNKED,
    "cut": _OK + b"Content-Length: 100000\r\n\r\n{",
    "reset": _OK + b"Content-Length: 100000\r\n\r\n{",
}
_MORE: Final = {
    "drip-headers": b"y",
    "drip-body": b" ",
    "drip-chunks": b"1\r\n \r\n",
    "endless-body": b",0" * 10_000,
    "endless-chunks": b"1\r\n \r\n" * 5_000,
}
_BUFFER: Final = 256 * 1024
"""The bytes that may wait for the client, so that this process does not grow with an endless answer."""
_BOMB_MEGABYTES: Final = 512
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: closing resets the connection."""


async def break_answer(request: web.Request, fault: WireFault, drip_seconds: float, hold: Hold) -> None:
    """Answer as the fault says, until the client leaves. The connection is to be aborted afterwards."""
    transport = request.transport
    if transport is None:
        return
    if fault == "reset":
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    async for piece in _pieces(fault, drip_seconds, hold):
        transport.write(piece)
        await _until_sent(transport, but=_BUFFER)
        if transport.is_closing():
            return
    await _until_sent(transport)


async def _pieces(fault: WireFault, drip_seconds: float, hold: Hold) -> AsyncIterator[bytes]:
    if fault == "bomb":
        yield _OK + f"Content-Encoding: gzip\r\nContent-Length: {len(_bomb())}\r\n\r\n".encode()
        yield _bomb()
        return
    yield _BEGINNING[fault]
    while more := _MORE.get(fault):
        if fault.startswith("drip"):
            await hold(drip_seconds)
        yield more


async def _until_sent(transport: asyncio.Transport, *, but: int = 0) -> None:
    """Wait until all but so many bytes are on their way; let the other requests have their turns in any case."""
    await asyncio.sleep(0)
    # aiohttp has an event for this, and keeps it private.
    while transport.get_write_buffer_size() > but and not transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


@cache
def _bomb() -> bytes:
    """Return half a megabyte that decompresses to half a gigabyte of blanks. Only its checksum is missing."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first, megabyte = (
        packer.compress(b" " * 1024 * 1024) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2)
    )  # After a full flush, a piece needs nothing of the one before it: the same one can be sent again and again.
    return first + megabyte * (_BOMB_MEGABYTES - 1)


def about_another_company(answer: web.StreamResponse, company_id: str) -> web.Response:
    """Return the answer with another company's id in the place of this one's."""
    content = answer.body if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else b""
    body = json.loads(content or b"{}")
    body |= {"companyId": company_id} | ({"id": company_id} if "id" in body else {})
    content = json.dumps(body, separators=(",", ":")).encode()
    return web.Response(body=content, headers={"Content-Type": "application/json; charset=utf-8"})
