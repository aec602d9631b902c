"""What the layers said at close after close in, how many independent voices that makes out."""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from services.signals.engine.parameters.confluence import ConfluenceParameters


class Voices(Struct):
    """A decaying covariance of score x confidence, one row a layer: seven at most, so its size is fixed."""

    closes: dict[str, int] = field(default_factory=dict)
    means: dict[str, float] = field(default_factory=dict)
    moments: dict[str, dict[str, float]] = field(default_factory=dict)
    """Lower triangle: the layer that was heard of later first."""

    def hear(self, said: Mapping[str, float], config: ConfluenceParameters) -> None:
        """Take what the layers that spoke said at one close; for the others nothing changes.

        With a = 1 - 0.5^(1 / half-life), each moment becomes (1 - a) (moment + a d_i d_j), d being the distance from
        the means before this close: the exact exponentially weighted covariance while all speak.
        """
        step = 1.0 - 0.5 ** (1.0 / config.voices_half_life)
        for layer, value in said.items():
            if layer not in self.means:
                self.moments[layer] = dict.fromkeys((*self.means, layer), 0.0)
                self.means[layer] = value
                self.closes[layer] = 0
        away = {layer: said[layer] - mean for layer, mean in self.means.items() if layer in said}
        for layer, distance in away.items():
            row = self.moments[layer]
            for other in row:
                if other in away:
                    row[other] = (1.0 - step) * (row[other] + step * distance * away[other])
            self.means[layer] += step * distance
            self.closes[layer] += 1

    def effective(self, layers: Sequence[str], config: ConfluenceParameters) -> float | None:
        """Return the participation ratio (trace C)^2 / trace C^2 of the covariance of `layers`, in [1, their number].

        None until each has spoken often enough, or when none of them has ever changed its mind.
        """
        if not layers or any(self.closes.get(layer, 0) < config.voices_min for layer in layers):
            return None
        trace = squares = 0.0
        for layer in layers:
            row = self.moments[layer]
            trace += row[layer]
            for other in layers:
                if other in row:
                    squares += row[other] ** 2 * (1.0 if other == layer else 2.0)
        if squares <= 0.0:
            return None
        return max(1.0, min(float(len(layers)), trace * trace / squares))
