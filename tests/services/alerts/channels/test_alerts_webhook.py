"""What each answer of a receiver becomes, over real TLS; and what a receiver cannot make us do."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import msgspec
import pytest

from libs.common.runtime.addresses import Rules
from libs.common.runtime.clock import monotonic_s, now_ns
from services.alerts.channels.channel import Gone, Message, Outcome, Refused, RetryAfter, Sent
from services.alerts.channels.signing import verify
from services.alerts.channels.webhook import ANSWER_BYTES, WebhookChannel, delivery_id
from services.alerts.policy.markup import Piece
from services.alerts.policy.wording import mark_repeat

NEW, OLD = "a new secret of 24 bytes", "an old secret of 24 byte"
NAME = "hook.example.com"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Receiver:
    """A TLS server that keeps what it was sent and plays one answer."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self.tls = tls
        self.answer = OK
        self.endless = b""
        self.hang = False
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.names: list[str | None] = []
        tls.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self.tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.server.close()
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.tasks.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head[1:] if line}
            body = await reader.readexactly(int(headers["content-length"]))
            self.requests.append((head[0], headers, body))
            if self.hang:
                await asyncio.sleep(60)
            writer.write(self.answer)
            await writer.drain()
            while self.endless:
                writer.write(self.endless)
                await writer.drain()
                await asyncio.sleep(0.005)
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self.tasks.discard(task)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of `NAME`, and the address 127.0.0.1, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", "key.pem", "-out", "crt.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
async def receiver(certificate) -> AsyncIterator[Receiver]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "crt.pem", certificate / "key.pem")
    made = Receiver(tls)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def channel(receiver, certificate):
    made = WebhookChannel(
        [NEW, OLD],
        rules=Rules(ports=frozenset({receiver.port}), private=True),
        total_s=1.0,
        resolve=_to("127.0.0.1"),
        tls=ssl.create_default_context(cafile=certificate / "crt.pem"),
    )
    await made.start()
    yield made
    await made.stop()


def _to(*found: str) -> Callable[[str, int], Any]:
    async def resolve(_name: str, _port: int) -> list[str]:
        return list(found)

    return resolve


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


def _hello(receiver: Receiver, name: str = NAME, **changes: Any) -> Message:
    fields = {"html": "<b>BUY</b>", "text": "BUY", "alert_id": "a1", **changes}
    return Message(recipient=f"https://{name}:{receiver.port}/in?a=b", **fields)


async def test_a_delivery_is_signed_named_and_whole(receiver, channel):
    message = _hello(receiver)
    assert await channel.send(message) == Sent(delivery_id(message))
    ((first, headers, body),) = receiver.requests
    assert first == "POST /in?a=b HTTP/1.1"
    assert headers["host"] == f"{NAME}:{receiver.port}"
    assert receiver.names == [NAME]
    assert msgspec.json.decode(body) == {
        "delivery_id": delivery_id(message), "alert_id": "a1", "kind": "signal", "action": "send", "replaces": None,
        "possible_repeat": False, "silent": False, "timestamp": int(headers["x-csx-timestamp"]), "text": "BUY",
    }  # fmt: skip
    for secret in (NEW, OLD):
        assert verify(
            [secret.encode()],
            timestamp=headers["x-csx-timestamp"],
            delivery_id=headers["x-csx-id"],
            signature=headers["x-csx-signature"],
            body=body,
            now_s=now_ns() / 1e9,
        )


async def test_each_attempt_has_the_same_id_and_a_repeat_says_so(receiver, channel):
    receiver.answer = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
    marked = mark_repeat(Piece("<b>BUY</b>", "BUY"))
    for message in (_hello(receiver), _hello(receiver), _hello(receiver, html=marked.html, text=marked.text)):
        assert await channel.send(message) == Refused("the receiver answered 500", permanent=False)
    bodies = [msgspec.json.decode(body) for _, _, body in receiver.requests]
    assert len({body["delivery_id"] for body in bodies}) == 1
    assert [body["possible_repeat"] for body in bodies] == [False, False, True]
    assert len({headers["x-csx-id"] for _, headers, _ in receiver.requests}) == 1


def test_other_alerts_have_other_ids_whatever_they_say(receiver):
    sent = _hello(receiver)
    other = _hello(receiver, alert_id="a2")
    elsewhere = _hello(receiver, name="hook.example.org")
    assert len({delivery_id(one) for one in (sent, other, elsewhere)}) == 3
    assert delivery_id(_hello(receiver, text="BUY, 2 s ago")) == delivery_id(sent)


async def test_an_alert_without_an_id_is_not_taken_for_another(receiver, channel):
    outcome = await channel.send(_hello(receiver, alert_id=""))
    assert isinstance(outcome, Refused)
    assert outcome.permanent
    assert receiver.requests == []


async def test_an_edit_names_what_it_replaces(receiver, channel):
    await channel.send(_hello(receiver, action="edit", message_id="m1"))
    body = msgspec.json.decode(receiver.requests[0][2])
    assert (body["action"], body["replaces"]) == ("edit", "m1")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"201 Created", None),
        (b"202 Accepted", None),
        (b"204 No Content", None),
        (b"429 Slow\r\nRetry-After: 35", RetryAfter(35.0)),
        (b"429 Slow", RetryAfter(None)),
        (b"429 Slow\r\nRetry-After: soon", RetryAfter(None)),
        (b"429 Slow\r\nRetry-After: -1", RetryAfter(None)),
        (b"429 Slow\r\nRetry-After: 99999999999999999999", RetryAfter(86_400.0)),
        (b"429 Slow\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT", RetryAfter(0.0)),
        (b"503 Down\r\nRetry-After: 1386", RetryAfter(1386.0)),
        (b"503 Down", Refused("the receiver answered 503", permanent=False)),
        (b"410 Gone", Gone("the receiver answered 410")),
        (b"400 Bad", Refused("the receiver answered 400", permanent=True)),
        (b"401 Who", Refused("the receiver answered 401", permanent=True)),
        (b"404 Not Found", Refused("the receiver answered 404", permanent=True)),
        (b"408 Late", Refused("the receiver answered 408", permanent=False)),
        (b"500 Oops", Refused("the receiver answered 500", permanent=False)),
        (b"502 Bad Gateway", Refused("the receiver answered 502", permanent=False)),
        (b"599 What", Refused("the receiver answered 599", permanent=False)),
    ],
)
async def test_each_status(receiver, channel, answer: bytes, outcome: Outcome | None):
    receiver.answer = b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    message = _hello(receiver)
    assert await channel.send(message) == (outcome or Sent(delivery_id(message)))
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(receiver, channel, status):
    to = f"https://{NAME}:{receiver.port}/again" if status == 307 else "http://169.254.169.254/latest/meta-data/"
    receiver.answer = f"HTTP/1.1 {status} There\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()
    outcome = await channel.send(_hello(receiver))
    assert outcome == Refused(f"the receiver answered {status}: redirects are not followed", permanent=True)
    assert len(receiver.requests) == 1


async def test_an_endless_answer_is_not_read_to_its_end(receiver, channel):
    receiver.answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    receiver.endless = b"x" * ANSWER_BYTES
    began_s = monotonic_s()
    assert isinstance(await channel.send(_hello(receiver)), Sent)
    assert monotonic_s() - began_s < 2


async def test_a_dripping_answer_is_cut_off_and_its_status_counts(receiver, channel):
    receiver.answer = b"HTTP/1.1 200 OK\r\n\r\n"
    receiver.endless = b"."
    began_s = monotonic_s()
    assert isinstance(await channel.send(_hello(receiver)), Sent)
    assert monotonic_s() - began_s < 3


async def test_endless_headers_are_refused(receiver, channel):
    receiver.answer = b"HTTP/1.1 200 OK\r\n"
    receiver.endless = b"X-More: " + b"x" * 60_000 + b"\r\n"
    outcome = await channel.send(_hello(receiver))
    assert isinstance(outcome, Refused)
    assert not outcome.permanent


async def test_silence_ends_in_time_and_is_tried_again(receiver, channel):
    receiver.hang = True
    began_s = monotonic_s()
    outcome = await channel.send(_hello(receiver))
    assert monotonic_s() - began_s < 2
    assert isinstance(outcome, Refused)
    assert not outcome.permanent


@pytest.mark.parametrize("answer", [b"", b"\x00\xff", b"HTTP/1.1 ", b"HTTP/1.1 999999 x\r\n\r\n"])
async def test_what_is_no_http_is_tried_again(receiver, channel, answer):
    receiver.answer = answer
    outcome = await channel.send(_hello(receiver))
    assert isinstance(outcome, Refused)
    assert not outcome.permanent
    assert "in?a=b" not in outcome.reason


async def test_a_certificate_of_another_name_gets_nothing(receiver, channel):
    outcome = await channel.send(_hello(receiver, "other.example.com"))
    assert outcome == Refused("no answer: ConnectError", permanent=False)
    assert receiver.requests == []


async def test_a_kept_connection_is_never_taken_for_another_name(receiver, channel):
    assert isinstance(await channel.send(_hello(receiver)), Sent)
    assert isinstance(await channel.send(_hello(receiver, "other.example.com")), Refused)
    assert len(receiver.requests) == 1


async def test_an_unknown_certificate_gets_nothing(receiver):
    strict = WebhookChannel(
        [NEW], rules=Rules(ports=frozenset({receiver.port}), private=True), resolve=_to("127.0.0.1")
    )
    await strict.start()
    assert isinstance(await strict.send(_hello(receiver)), Refused)
    await strict.stop()
    assert receiver.requests == []


async def test_proxies_of_the_environment_are_not_used(receiver, channel, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert isinstance(await channel.send(_hello(receiver)), Sent)


async def test_the_next_address_is_tried_where_one_takes_no_connection(receiver, certificate):
    both = WebhookChannel(
        [NEW],
        rules=Rules(ports=frozenset({receiver.port}), private=True),
        resolve=_to("127.0.0.2", "127.0.0.1"),
        tls=ssl.create_default_context(cafile=certificate / "crt.pem"),
    )
    await both.start()
    assert isinstance(await both.send(_hello(receiver)), Sent)
    await both.stop()


async def test_a_name_that_turns_private_between_check_and_use():
    """DNS rebinding: the address that was checked is the address of the request; the next answer is checked anew."""
    asked: list[str] = []
    seen: list[httpx.Request] = []

    async def resolve(name: str, _port: int) -> list[str]:
        asked.append(name)
        return ["93.184.215.14"] if len(asked) == 1 else ["127.0.0.1"]

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=_nothing())

    channel = WebhookChannel([NEW], resolve=resolve, transport=httpx.MockTransport(answer))
    await channel.start()
    message = Message(recipient="https://rebind.example.com/x", html="x", text="x", alert_id="a1")
    assert isinstance(await channel.send(message), Sent)
    assert asked == ["rebind.example.com"]
    (request,) = seen
    assert (request.url.host, request.headers["host"]) == ("93.184.215.14", "rebind.example.com")
    assert request.extensions["sni_hostname"] == "rebind.example.com"
    outcome = await channel.send(message)
    assert outcome == Refused("address not allowed: 127.0.0.1 is not an address of the public internet", permanent=True)
    assert len(seen) == 1
    await channel.stop()


async def test_a_name_without_an_address_is_tried_again():
    channel = WebhookChannel([NEW], resolve=_to())
    await channel.start()
    message = Message(recipient="https://nowhere.example.com/", html="x", text="x", alert_id="a1")
    outcome = await channel.send(message)
    assert outcome == Refused("no answer: OSError", permanent=False)
    assert await channel.fault() is None
    await channel.stop()


@pytest.mark.parametrize("secrets", [[], ["short"], [NEW, OLD, NEW]])
def test_without_good_secrets_there_is_no_channel(secrets):
    with pytest.raises(ValueError, match="secret"):
        WebhookChannel(secrets)
