"""A trained network, if there is one, and readings in; whose probability is said, and what the other says, out."""

from collections.abc import Sequence

from msgspec import Struct, structs

from libs.common.events import Calibration, Challenger, Direction, LayerReading, Timeframe
from services.signals.engine.confluence.artefact import Artefact, Bin
from services.signals.engine.confluence.gate import PASSED, UNPROVEN, objection
from services.signals.engine.confluence.network import Inference, context_of, infer
from services.signals.engine.confluence.scorecard import Confluence, probability


class Models(Struct, frozen=True, kw_only=True):
    """Who decides at one moment; `network` is set when it is a network."""

    model: str = "scorecard"
    status: str = UNPROVEN
    network: Inference | None = None
    curve: tuple[Bin, ...] = ()
    """The calibration of the network that decides."""
    challenger: Challenger | None = None

    def calibrated(self, log_odds: float, direction: Direction) -> Calibration | None:
        """Return the bin of the curve whose forecast is nearest, seen from `direction`; None where nothing is proven.

        The curve is of upward moves: a short's right is what it counts as wrong.
        """
        up = probability(log_odds, Direction.LONG)
        if direction is Direction.NEUTRAL or not self.curve or up is None:
            return None
        near = min(self.curve, key=lambda one: (abs(one.predicted - up), one.predicted))
        if direction is Direction.LONG:
            return Calibration(n=near.n, observed=near.observed, low=near.low, high=near.high)
        return Calibration(n=near.n, observed=1 - near.observed, low=1 - near.high, high=1 - near.low)

    def veto(self, direction: Direction) -> str | None:
        """Return why the deciding network contradicts `direction`; None when it does not, or does not decide."""
        if self.network is None or self.network.log_odds * direction.sign >= 0:
            return None
        return f"conflict: {self.model} {self.network.log_odds:+.2f} log-odds against a {direction} score"

    def settle(self, together: Confluence) -> Confluence:
        """Return `together` with the log-odds of whoever decides; score and weights stay the scorecard's."""
        network = self.network
        if network is None or together.abstained is not None:
            return together
        return structs.replace(
            together,
            log_odds=network.log_odds,
            intercept=network.intercept,
            contributions=tuple(
                structs.replace(one, log_odds=network.shares.get(one.layer, 0.0)) for one in together.contributions
            ),
        )


def compare(
    artefact: Artefact | None, readings: Sequence[LayerReading], timeframe: Timeframe, regime: str | None
) -> Models:
    """Return who decides; `readings` are those that the scorecard weighs."""
    if artefact is None:
        return Models()
    said = infer(artefact, readings, context_of(readings, timeframe, regime))
    if objection(artefact) is None:
        curve = artefact.gate.calibration if artefact.gate else ()
        return Models(model=artefact.name, status=PASSED, network=said, curve=curve)
    return Models(
        challenger=Challenger(
            model=artefact.name,
            status=UNPROVEN,
            probability_up=probability(said.log_odds, Direction.LONG) or 0.0,
            log_odds=said.log_odds,
            intercept=said.intercept,
            contributions=said.shares,
        )
    )
