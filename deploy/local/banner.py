"""What a person reads once everything serves: where the page is, what market it shows, how to stop. Pure."""

from pathlib import Path
from typing import Final

from deploy.local.options import Feed, Request
from deploy.local.plan import HOST, Wiring

_MARKET: Final = {
    Feed.SANDBOX: "SIMULATED: a sandbox exchange on this machine, no real market",
    Feed.LIVE: "live",
    Feed.FILES: "RECORDED: frames of another day are played again",
}


def banner(request: Request, wiring: Wiring, data_dir: Path) -> str:
    """Return the text, several lines."""
    key = "" if wiring.gateway_key is None else f"#key={wiring.gateway_key}"
    markets = "; ".join(f"{venue} {', '.join(symbols)}" for venue, symbols in request.markets.items())
    if request.own_bot:
        alerts = f"go to the Telegram chats {wiring.chats or '(none: set CSX_ALERTS_CHATS)'}"
    else:
        why = ", as CSX_ALERTS_TELEGRAM_TOKEN is not set" if request.feed is Feed.LIVE else ""
        alerts = f"go to a fake Telegram{why}: its messages are the lines of `telegram` in this log"
    header = "" if wiring.gateway_key is None else f"-H 'Authorization: Bearer {wiring.gateway_key}' "
    lasting = "Ctrl-C" if request.seconds is None else f"Ctrl-C, or by itself after {request.seconds:g} s"
    rows = {
        "page": f"http://{HOST}:{request.port}/{key}",
        "api": f"curl {header}'http://{HOST}:{request.port}/v1/signals?limit=1'",
        "topics": f"{wiring.bootstrap} speaks Kafka's protocol: market.trades.v1, signals.signals.v1, ...",
        "market": f"{_MARKET[request.feed]} ({markets})",
        "alerts": alerts,
        "data": f"{data_dir} (kept; --fresh discards it)",
        "stop": lasting,
    }
    return "\n".join(["", *(f"  {name:<8}{text}" for name, text in rows.items()), ""])
