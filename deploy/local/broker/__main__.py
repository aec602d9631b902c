"""`python -m deploy.local.broker`: serve Kafka's protocol from a folder until SIGTERM; logs on stderr."""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import resource
import signal
import sys
from pathlib import Path

from deploy.local.broker.broker import Broker
from deploy.local.broker.configs import DEFAULTS
from deploy.local.broker.quota import Quota
from deploy.local.broker.server import Server

log = logging.getLogger("deploy.local.broker")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"time": self.formatTime(record), "level": record.levelname, "message": record.getMessage()}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps({**line, "logger": record.name})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.broker", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="created if it does not exist")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on and to advertise")
    parser.add_argument("--port", type=int, default=9092)
    parser.add_argument("--partitions", type=int, default=4, help="of topics created without a count")
    parser.add_argument("--auto-create", action="store_true", help="create topics that clients ask about")
    parser.add_argument("--retention-bytes", default=DEFAULTS["retention.bytes"], help="a partition, -1: no limit")
    parser.add_argument("--segment-bytes", default=DEFAULTS["segment.bytes"], help="a file")
    parser.add_argument("--producer-byte-rate", type=float, help="bytes a second that one client id may produce")
    parser.add_argument("--log-format", choices=("plain", "json"), default="plain")
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace) -> int:
    defaults = {"retention.bytes": arguments.retention_bytes, "segment.bytes": arguments.segment_bytes}
    stopping = asyncio.Event()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(wanted, stopping.set)
    try:
        broker = Broker(
            arguments.data_dir,
            defaults=defaults,
            auto_create=arguments.auto_create,
            partitions=arguments.partitions,
            quota=Quota(arguments.producer_byte_rate) if arguments.producer_byte_rate else None,
        )
        server = Server(broker, host=arguments.host, port=arguments.port)
        await server.start()
    except OSError as e:
        log.error("cannot serve %s:%d from %s: %s", arguments.host, arguments.port, arguments.data_dir, e)  # noqa: TRY400 - one line is the whole story
        return 5
    log.info("serving %s:%d from %s, pid %d", broker.host, broker.port, arguments.data_dir, os.getpid())
    await stopping.wait()
    await server.stop()
    log.info("stopped, everything synced")
    return 0


def main() -> int:
    """Serve, and return the exit code."""
    arguments = _arguments()
    handler = logging.StreamHandler()
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(_JsonLines() if arguments.log_format == "json" else plain)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)  # one a partition is open
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    factory = None
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415 - faster where installed, not needed

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
