"""The bytes of a trained network in, its weights with their proof of origin out, or a clear refusal.

Format, provenance and hash are described in docs/layers/confluence.md.
"""

import hashlib
from math import isfinite
from typing import Final

import msgspec
from msgspec import Struct

FORMAT: Final = "csx-additive-network-1"
LAYERS: Final = ("cvd", "order_flow", "technicals", "timeframes", "smc", "fibonacci", "liquidity")
CONTEXT: Final = (
    *(f"regime.{word}" for word in ("trend", "range", "volatile", "quiet")),
    "volatility.percentile",
    *(f"timeframe.{word}" for word in ("1m", "5m", "15m", "1h", "4h", "1d", "1w")),
)
"""What every subnet may see beside its own layer; order is the artefact's."""
_MOST_UNITS: Final = 64


class ArtefactError(ValueError):
    """A file that is no artefact we can trust; the message says why."""


class Subnet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One layer's part: sum over units of output x tanh(bias + weights . z), z = (feature - mean) / scale."""

    layer: str
    features: tuple[str, ...]
    """`score` and `confidence` of the layer, and names of `CONTEXT`, in the order of the weights."""
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    """One row a unit, one column a feature."""
    bias: tuple[float, ...]
    output: tuple[float, ...]


class Provenance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the weights come from."""

    data: str
    from_ns: int
    to_ns: int
    n: int
    code_version: str
    trainer: str


class Bin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One bin of the calibration curve: the observed rate and the 95 % band of a calibrated forecast around it."""

    n: int
    predicted: float
    observed: float
    low: float
    high: float


class Gate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the network did on data that its training never saw."""

    from_ns: int
    to_ns: int
    n: int
    n_effective: float
    """Outcomes less their overlap in time."""
    brier_skill: float
    brier_skill_low: float
    """Lower end of its 95 % interval."""
    calibration: tuple[Bin, ...]


class Artefact(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A trained network, named by its content."""

    format: str
    family: str
    """What people call it; lower case, digits and dashes."""
    intercept: float
    subnets: tuple[Subnet, ...]
    provenance: Provenance
    gate: Gate | None
    sha256: str
    """Of the canonical JSON of all other fields."""

    @property
    def name(self) -> str:
        """Return the family and the first 12 digits of the hash."""
        return f"{self.family}-{self.sha256[:12]}"


def digest(artefact: Artefact) -> str:
    """Return the SHA-256 of the canonical JSON without the hash: keys sorted, no spaces, shortest floats."""
    content = msgspec.to_builtins(artefact)
    del content["sha256"]
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def load_artefact(data: bytes) -> Artefact:
    """Return the artefact that `data` holds.

    Raises:
        ArtefactError: it is no JSON of our format, its hash or a shape is wrong, it names an unknown feature, or a
            number is not finite.
    """
    try:
        artefact = msgspec.json.decode(data, type=Artefact)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise ArtefactError(f"not an artefact: {e}") from e
    if artefact.format != FORMAT:
        raise ArtefactError(f"the format is {artefact.format!r}, this engine reads {FORMAT!r}")
    if artefact.sha256 != digest(artefact):
        raise ArtefactError(f"the hash of the content is {digest(artefact)}, the file says {artefact.sha256}")
    if not artefact.family or not all(sign.islower() or sign.isdigit() or sign == "-" for sign in artefact.family):
        raise ArtefactError(f"family {artefact.family!r}: lower case letters, digits and dashes only")
    _finite("intercept", (artefact.intercept,))
    layers = [subnet.layer for subnet in artefact.subnets]
    if not layers or len(set(layers)) != len(layers):
        raise ArtefactError(f"one subnet a layer, at least one: {layers}")
    for subnet in artefact.subnets:
        _check(subnet)
    return artefact


def _check(subnet: Subnet) -> None:
    where = f"subnet {subnet.layer}"
    if subnet.layer not in LAYERS:
        raise ArtefactError(f"{where}: unknown layer")
    unknown = [name for name in subnet.features if name not in {"score", "confidence", *CONTEXT}]
    if unknown or "score" not in subnet.features or len(set(subnet.features)) != len(subnet.features):
        raise ArtefactError(f"{where}: features must be known, each once, with `score`; not {unknown or 'so'}")
    wide, tall = len(subnet.features), len(subnet.output)
    if not 0 < tall <= _MOST_UNITS:
        raise ArtefactError(f"{where}: 1 to {_MOST_UNITS} units, not {tall}")
    if (len(subnet.mean), len(subnet.scale)) != (wide, wide):
        raise ArtefactError(f"{where}: mean and scale must have {wide} numbers")
    if len(subnet.bias) != tall or len(subnet.weights) != tall or any(len(row) != wide for row in subnet.weights):
        raise ArtefactError(f"{where}: weights must be {tall} x {wide}, bias {tall}")
    for what in (subnet.mean, subnet.scale, subnet.bias, subnet.output, *subnet.weights):
        _finite(where, what)
    if min(subnet.scale) <= 0:
        raise ArtefactError(f"{where}: scale must be above zero")


def _finite(where: str, numbers: tuple[float, ...]) -> None:
    if not all(isfinite(number) for number in numbers):
        raise ArtefactError(f"{where}: a number is not finite")
