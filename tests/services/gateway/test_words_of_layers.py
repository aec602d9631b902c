"""Each fact that the page puts into words is one that a layer publishes under that name."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

from deploy.proving.causality import SESSIONS
from deploy.proving.warm import history
from libs.common.events import LayerReading, Trade
from services.ingest.recording.normalize import Normalizer
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine

pytestmark = pytest.mark.recordings

PAGE = Path("services/gateway/dashboard/layers.js")


def spoken():
    """Return the facts that the page names, by layer."""
    rows = PAGE.read_text().split("const SAYS = {", 1)[1].split("\n};", 1)[0]
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, body in re.findall(r"^  (\w+): \(f\) => (.*?)(?=^  \w+: \(f\)|\Z)", rows, re.DOTALL | re.MULTILINE):
        found[name] |= set(re.findall(r"\bf\.(\w+)", body))
    return found


def published(recordings):
    """Return the facts of all readings of a recorded session with a warm history, by layer."""
    names = SESSIONS["binance-usdm"]
    events = list(Normalizer("binance-usdm", [recordings / "raw" / name for name in names]).run())
    first = next(event for event in events if isinstance(event, Trade))
    engine = Engine(EngineConfig())
    found: defaultdict[str, set[str]] = defaultdict(set)
    for event in [*history(recordings, events[0], first.price), *events]:
        for output in engine.apply(event):
            if isinstance(output, LayerReading):
                found[output.layer] |= set(output.facts)
    return found


def written(layer):
    """Return what the layer's own files quote: facts that this session did not bring about."""
    files = Path("services/signals/engine/layers").glob(f"{layer}*.py")
    return {name for path in files for name in re.findall(r'"(\w+)"', path.read_text())}


def test_the_page_names_no_fact_that_is_not_published(recordings):
    told, facts = spoken(), published(recordings)
    assert set(told) == {"smc", "cvd", "order_flow", "technicals", "timeframes", "fibonacci", "liquidity", "factors"}
    unknown = {layer: names - facts[layer] - written(layer) for layer, names in told.items()}
    assert {layer: names for layer, names in unknown.items() if names} == {}
    assert sum(len(names & facts[layer]) for layer, names in told.items()) > 20
