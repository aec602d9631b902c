"""The gateway's secrets of this machine: made once beside its data, readable by their owner alone; their files out."""

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final


def _signing_key() -> str:
    from services.gateway.access.signing import new_key  # noqa: PLC0415  (cryptography, for the first start alone)

    return new_key()


_MADE: Final[dict[str, Callable[[], str]]] = {
    "CSX_GATEWAY_SECRET": lambda: secrets.token_hex(32),
    "CSX_GATEWAY_SIGNING_KEYS": _signing_key,
}


def seals(data_dir: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the settings that name the gateway's secrets; what the environment has is left to it.

    Sessions and cursors so outlive a restart of `csx up`, but not `--fresh`.
    """
    found = {}
    for name, make in _MADE.items():
        if environ.get(name) or environ.get(f"{name}_FILE"):
            continue
        path = data_dir / name.removeprefix("CSX_GATEWAY_").lower().replace("_", "-")
        if not path.exists():
            _write(path, make())
        found[f"{name}_FILE"] = str(path)
    return found


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
