"""What a recording is of: a file of frames in, the canonical symbols it speaks of out."""

import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import zstandard
from msgspec import DecodeError, Struct, json

from libs.common.events.symbols import SymbolError, parse
from libs.common.runtime.errors import InputError
from services.ingest.recording.entries import INDEX_MARK, MARK

_LOOK_BYTES: Final = 8 << 20
_NATIVE: Final = re.compile(rb'\\?"(?:s|symbol|instId)\\?"\s*:\s*\\?"([A-Za-z0-9_-]{3,40})\\?"')
_QUOTES: Final = ("USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USD", "BTC", "ETH")


class _Told(Struct):
    """What a recording of `csx ingest record` says in its first line."""

    symbols: tuple[str, ...]


def symbols_in(files: Sequence[Path], venue: str) -> tuple[str, ...]:
    """Return the symbols that the first 8 MiB of each file name, sorted; a recording of our own says which it has.

    Raises:
        InputError: a file cannot be read, or names no symbol of `venue`.
    """
    found = {symbol for path in files for symbol in _symbols(_head(path), venue)}
    if not found:
        raise InputError(f"--symbols: no symbol of {venue} is named in {files[0].name}, say which it has")
    return tuple(sorted(found))


def canonical(native: str, venue: str) -> str | None:
    """Return the canonical symbol of a venue's name of a spot pair or perpetual; None for everything else."""
    if venue == "okx":
        text = f"{native.removesuffix('-SWAP')}-PERP" if native.endswith("-SWAP") else native
        return text if _known(text) and not text[-1].isdigit() else None
    for quote in _QUOTES:
        if native.isupper() and native.endswith(quote) and len(native) > len(quote):
            text = f"{native.removesuffix(quote)}-{quote}"
            return f"{text}-PERP" if venue == "binance-usdm" else text
    return None


def _known(text: str) -> bool:
    try:
        parse(text)
    except SymbolError:
        return False
    return True


def _symbols(head: bytes, venue: str) -> set[str]:
    if head.startswith((MARK, INDEX_MARK)):  # its frames hold the venue's whole catalogue
        try:
            return set(json.decode(head.partition(b"\n")[0], type=_Told).symbols)
        except DecodeError:
            return set()
    return {symbol for found in _NATIVE.findall(head) if (symbol := canonical(found.decode(), venue))}


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as raw:
            if path.suffix == ".gz":
                with gzip.open(raw) as plain:
                    return plain.read(_LOOK_BYTES)
            if path.suffix == ".zst":
                with zstandard.ZstdDecompressor().stream_reader(raw) as plain:
                    return bytes(plain.read(_LOOK_BYTES))
            return raw.read(_LOOK_BYTES)
    except (OSError, EOFError, zstandard.ZstdError) as e:
        raise InputError(f"--feed: {path} cannot be read: {e}") from e
