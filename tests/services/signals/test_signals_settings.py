"""What the environment says reaches the engine, and nothing said is the engine's own default."""

from libs.common.runtime.settings import load
from services.signals.engine.config import EngineConfig
from services.signals.settings import Settings


def test_nothing_said_is_the_engine_as_it_is():
    assert load(Settings).engine().digest() == EngineConfig().digest()


def test_the_grace_of_a_closing_bar_is_in_seconds(monkeypatch):
    monkeypatch.setenv("CSX_SIGNALS_CLOSE_GRACE_S", "0.5")
    assert load(Settings).engine().close_grace_ns == 500_000_000
