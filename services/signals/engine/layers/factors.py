"""Layer `factors`: liquidations, momentum, funding, positions, mood: eight weighted factors, for information only."""

from collections.abc import Mapping
from typing import ClassVar

from msgspec import Struct, field

from libs.common.events import Fact, FundingRate, Liquidation, Metric, OpenInterest, Timeframe
from services.signals.engine.config import EngineConfig
from services.signals.engine.factors.heard import Heard, Momentum
from services.signals.engine.factors.table import FACTORS
from services.signals.engine.layers.layer import Close, Context, Opinion, TickLayer, abstain
from services.signals.engine.parameters.factors import FactorsParameters


class Factors(TickLayer, tag="factors"):
    """The weighted mean of the factors that are present, over their weights.

    It has no row in the weights of the confluence: most of it is of hours and days, and momentum is counted there.
    """

    name: ClassVar[str] = "factors"
    hears: ClassVar[frozenset[type[Struct]]] = frozenset({Liquidation, FundingRate, OpenInterest, Metric})

    settings: FactorsParameters
    heard: Heard = field(default_factory=Heard)

    @classmethod
    def new(cls, config: EngineConfig) -> "Factors":
        """Return a layer that has heard nothing."""
        return cls(config.factors)

    def on_context(self, event: Context) -> None:
        """Remember a liquidation, a funding rate, open interest or a vendor's number; what is repeated replaces."""
        match event:
            case Liquidation():
                self.heard.liquidation(event)
            case FundingRate():
                self.heard.funding(event)
            case OpenInterest():
                self.heard.interest(event)
            case Metric():
                self.heard.metric(event)

    def on_close(self, close: Close, opinions: Mapping[str, Opinion]) -> None:
        """Remember the price, and of 15 minutes what the technical indicators said."""
        self.heard.close(close.timeframe, close.close_ns, close.price, close.run)
        said = opinions.get("technicals")
        if close.timeframe is Timeframe.M15 and said is not None:
            cause = None if said.confidence > 0 else str(said.facts.get("cause"))
            self.heard.momentum = Momentum(close.close_ns, said.score, said.confidence, cause)

    def read(self, as_of_ns: int) -> Opinion:
        """Return the weighted mean, with every factor's score or cause; nothing later than `as_of_ns` is used."""
        facts: dict[str, Fact] = {}
        present = signed = sized = sure = 0.0
        for name, weight, judge in FACTORS:
            found = judge(self.heard, as_of_ns, self.settings)
            facts[f"{name}_score"] = found.score
            if found.score is None:
                facts[f"{name}_cause"] = found.cause
            else:
                facts[f"{name}_confidence"] = found.confidence
                present += weight
                signed += weight * found.score
                sized += weight * abs(found.score)
                sure += weight * found.confidence
            facts |= found.facts
        coverage = present / 100.0
        facts["coverage"] = coverage
        if coverage < self.settings.least_coverage:
            return abstain("coverage", facts)
        score = max(-1.0, min(1.0, signed / present))
        agreement = abs(signed) / sized if sized > 0 else None
        facts |= {"score_100": 50.0 + 50.0 * score, "agreement": agreement}
        together = 1.0 if agreement is None else 0.5 + 0.5 * agreement
        return Opinion(score, min(1.0, coverage * (sure / present) * together), facts)
