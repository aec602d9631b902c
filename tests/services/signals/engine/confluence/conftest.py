import math
from types import SimpleNamespace

import msgspec
import pytest

from libs.common.events import LayerReading
from services.signals.engine.confluence.artefact import FORMAT, Artefact, Bin, Gate, Provenance, Subnet, digest


def reading(layer, score, confidence, **facts):
    return LayerReading(venue="v", symbol="s", layer=layer, as_of_ns=1, score=score, confidence=confidence, facts=facts)


def subnet(layer, features=("score", "confidence", "regime.trend", "timeframe.5m"), units=3):
    wide = len(features)
    return Subnet(
        layer=layer,
        features=features,
        mean=tuple(0.1 * n for n in range(wide)),
        scale=tuple(0.5 + 0.25 * n for n in range(wide)),
        weights=tuple(tuple(math.sin(7 * u + n + len(layer)) for n in range(wide)) for u in range(units)),
        bias=tuple(0.1 * u - 0.1 for u in range(units)),
        output=tuple(math.cos(u) for u in range(units)),
    )


def gate(**changes):
    fields = {
        "from_ns": 200,
        "to_ns": 300,
        "n": 1000,
        "n_effective": 783.0,
        "brier_skill": 0.02,
        "brier_skill_low": 0.001,
        "calibration": tuple(
            Bin(n=200, predicted=p, observed=p, low=p - 0.05, high=p + 0.05) for p in (0.3, 0.4, 0.5, 0.6, 0.7)
        ),
    }
    return Gate(**{**fields, **changes})


def artefact(report=None, **changes):
    fields = {
        "format": FORMAT,
        "family": "by-hand",
        "intercept": -0.05,
        "subnets": (subnet("cvd"), subnet("technicals"), subnet("smc", ("score", "volatility.percentile"))),
        "provenance": Provenance(data="none", from_ns=0, to_ns=100, n=0, code_version="0", trainer="a hand"),
        "gate": report,
        "sha256": "",
    }
    made = Artefact(**{**fields, **changes})
    return msgspec.structs.replace(made, sha256=digest(made))


@pytest.fixture(scope="session")
def hand():
    return SimpleNamespace(reading=reading, subnet=subnet, gate=gate, artefact=artefact)
