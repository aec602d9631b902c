"""What forming signals remembers of one market: the words it said, and how alike its layers spoke."""

from msgspec import Struct, field

from libs.common.events import Timeframe
from services.signals.engine.confluence.voices import Voices
from services.signals.engine.labels import Labels


class Memory(Struct):
    """Dumped with the market."""

    labels: Labels = field(default_factory=Labels)
    voices: dict[Timeframe, Voices] = field(default_factory=dict)

    def voices_of(self, timeframe: Timeframe) -> Voices:
        """Return the covariance of one timeframe, a new one at its first close."""
        return self.voices.setdefault(timeframe, Voices())
