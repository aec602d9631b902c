"""A score and the label before it in, the label now out: a word is left later than it is entered."""

from msgspec import Struct, field

from libs.common.events import Direction, Label, Timeframe
from services.signals.engine.config import EngineConfig


class Labels(Struct):
    """The label that each timeframe of one market said last."""

    last: dict[Timeframe, Label] = field(default_factory=dict)

    def say(self, timeframe: Timeframe, score: float, config: EngineConfig) -> tuple[Direction, Label]:
        """Return a score in words and remember them."""
        direction, label = judge(score, config)
        self.last[timeframe] = label
        return direction, label


def judge(score: float, config: EngineConfig) -> tuple[Direction, Label]:
    """Return a score in words; the thresholds are the same on both sides, and belong to the stronger word."""
    size = abs(score)
    if size < config.signal_score:
        return Direction.NEUTRAL, Label.NEUTRAL
    strong = size >= config.strong_score
    if score > 0:
        return Direction.LONG, Label.STRONG_BUY if strong else Label.BUY
    return Direction.SHORT, Label.STRONG_SELL if strong else Label.SELL
