"""The end of a recording is told once."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from deploy.local.children import free_port
from deploy.local.playback import Playback, fetch


@pytest.fixture
def exchange() -> Iterator[tuple[int, dict[str, bytes]]]:
    """A port that answers /control/status with whatever `body` is set to."""
    answer = {"body": b"{}"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/control/status" else 404)
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *_: object) -> None:
            """Silence."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port, answer
    server.shutdown()
    thread.join()
    server.server_close()


def test_said_once_and_only_at_the_end(exchange):
    port, answer = exchange
    said: list[str] = []
    player = Playback(port, lambda text, _: said.append(text), every_s=0.0)
    answer["body"] = b'{"finished": false, "played": 3}'
    player.look()
    assert said == []
    answer["body"] = b'{"finished": true, "played": 7, "total": 7, "faults": {}}'
    player.look()
    player.look()
    assert said == ["the recording has been played completely (played 7, total 7)"]
    assert player.finished


def test_it_asks_once_in_a_while(exchange):
    port, answer = exchange
    said: list[str] = []
    player = Playback(port, lambda text, _: said.append(text), every_s=60.0)
    player.look()
    answer["body"] = b'{"finished": true}'
    player.look()
    assert said == []


def test_an_exchange_that_does_not_answer_is_not_finished(exchange):
    port, answer = exchange
    answer["body"] = b"[]"
    assert fetch(port, "/control/status") == {}
    assert fetch(free_port(), "/control/status") == {}
