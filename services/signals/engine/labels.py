"""A score and the label before it in, the label now out: a word is left later than it is entered."""

from typing import Final

from msgspec import Struct, field

from libs.common.events import Direction, Label, Timeframe
from services.signals.engine.config import EngineConfig

_RANKS: Final = {Label.BUY: 1, Label.STRONG_BUY: 2, Label.SELL: -1, Label.STRONG_SELL: -2}
_WORDS: Final = {rank: label for label, rank in _RANKS.items()}


class Labels(Struct):
    """The label that each timeframe of one market said last; neutral where none is held."""

    last: dict[Timeframe, Label] = field(default_factory=dict)

    def say(self, timeframe: Timeframe, score: float, config: EngineConfig) -> tuple[Direction, Label]:
        """Return a score in words and remember them."""
        direction, label = judge(score, self.last.get(timeframe, Label.NEUTRAL), config)
        self.last[timeframe] = label
        return direction, label

    def reset(self, timeframe: Timeframe) -> None:
        """Forget the word: who refuses to judge holds none."""
        self.last.pop(timeframe, None)


def judge(score: float, before: Label, config: EngineConfig) -> tuple[Direction, Label]:
    """Return a score in words.

    The thresholds are the same on both sides and belong to the stronger word; one that `before` had reached on this
    side is lowered by the margin.
    """
    chosen = config.confluence
    side = 1 if score > 0 else -1
    held = side * _RANKS.get(before, 0)
    rank = 0
    for level, threshold in ((1, chosen.signal_score), (2, chosen.strong_score)):
        if abs(score) >= threshold - (chosen.label_margin if held >= level else 0.0):
            rank = level
    if not rank:
        return Direction.NEUTRAL, Label.NEUTRAL
    return Direction.LONG if side > 0 else Direction.SHORT, _WORDS[side * rank]
