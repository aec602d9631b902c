"""`python -m services.alerts.deadman`: watch over the alerts service until SIGTERM; needs no broker and no database."""

import sys

from libs.common.runtime.errors import CsxError
from libs.common.runtime.process import Process, run
from libs.common.runtime.settings import load
from services.alerts.channels.telegram import TelegramChannel
from services.alerts.deadman.listener import Listener
from services.alerts.deadman.settings import Settings
from services.alerts.deadman.watch import Watch
from services.alerts.policy.deadman import Limits


def main() -> None:
    """Read the settings and watch; settings that cannot work end with exit 3 and one line."""
    try:
        settings = load(Settings)
    except CsxError as e:
        sys.stderr.write(f"deadman: {e}\n")
        sys.exit(e.exit_code)

    async def serve(process: Process) -> None:
        channel = TelegramChannel(settings.telegram_token.get_secret_value(), settings.telegram_url)
        await channel.start()
        process.on_stop(channel.stop)
        process.check("telegram", channel.fault)
        watch = Watch(channel, settings.owners, Limits(silence_s=settings.silence_s, repeat_s=settings.repeat_s))
        listener = Listener(watch.heard)
        await listener.start(settings.host, settings.port)
        process.on_stop(listener.stop)
        process.spawn(watch.run(), name="watch")

    run("deadman", settings, serve)


if __name__ == "__main__":
    main()
