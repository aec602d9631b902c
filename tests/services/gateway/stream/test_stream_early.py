"""A client that speaks as soon as its handshake is answered: nothing of what it says is lost."""

import asyncio

PING = b'{"op":"ping","id":"early"}'


async def test_what_is_said_at_once_is_heard(gateway, address):
    host, _, port = address.partition(":")
    for _ in range(30):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"GET /v1/stream HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Authorization: Bearer {gateway.key}\r\n\r\n".encode()
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        writer.write(bytes([0x81, 0x80 | len(PING)]) + bytes(4) + PING)  # a mask of zeros changes nothing
        async with asyncio.timeout(10):
            await reader.readuntil(b'"type":"pong"')
        writer.close()
        await writer.wait_closed()
