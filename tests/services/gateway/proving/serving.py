"""A gateway of keys alone, as a process of its own: real stores and a port in; it serves until it is killed.

What stands between the topics and the views is left out: it takes seconds to start, and writes no key. For the same
reason one process imports everything, and each gateway is forked from it: a line of stdin is a port, one of stdout
the number of the process that serves it.
"""

import asyncio
import os
import signal
import sys

from libs.common.runtime.process import Process
from services.gateway.access.guard import Guard
from services.gateway.access.keyring import Keyring
from services.gateway.access.revocation import Revocations
from services.gateway.access.usage import Usage
from services.gateway.board import Board
from services.gateway.idempotency import PostgresLedger
from services.gateway.operations.desk import Desk
from services.gateway.perimeter.perimeter import Perimeter
from services.gateway.sealing import Seal
from services.gateway.server import serve
from services.gateway.settings import Settings
from services.gateway.store.latest import Latest
from services.gateway.store.store import Store
from services.gateway.stream.hub import Hub
from services.gateway.stream.opening import Sessions
from services.gateway.surfaces.application import build

SECRET = b"the same for every replica, and long"


async def main(dsn: str, redis_url: str, port: int) -> None:
    """Serve."""
    store, latest = Store(dsn), Latest.at(redis_url)
    await store.start()
    guard = Guard(Keyring(store))
    board = Board(store, latest)
    sessions = Sessions(Hub(), board, guard, store, latest)
    revocations = Revocations(latest.redis, guard)

    async def faults() -> dict[str, str]:
        return {}

    desk = Desk(store=store, latest=latest, board=board, faults=faults, sessions=sessions)
    desk.usage = Usage(lambda: store.pool)
    desk.ledger = PostgresLedger(lambda: store.pool, seal=Seal([SECRET]), tell=revocations.tell)
    beside = [asyncio.create_task(work) for work in (revocations.listen(), *sessions.works().values())]
    app = Perimeter(build(desk, guard=guard, sessions=sessions), Settings().rules)
    await serve(app, "127.0.0.1", port, Process("gateway", Settings()))
    await asyncio.gather(*beside)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for who was killed
    for line in sys.stdin:
        if not (pid := os.fork()):
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            asyncio.run(main(sys.argv[1], sys.argv[2], int(line)))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
