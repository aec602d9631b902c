"""Settings of the signals service, from `CSX_SIGNALS_*` and the shared keys."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from libs.common.events import SECOND_NS, Timeframe
from libs.common.runtime.settings import ServiceSettings
from services.signals.engine.config import EngineConfig
from services.signals.engine.parameters.plan import PlanParameters
from services.signals.model_file import read_model


class Settings(ServiceSettings, env_prefix="CSX_SIGNALS_"):
    """What the signals service is told."""

    group: str = Field("signals.engine", description="consumer group; workers of one group share the markets")
    timeframes: Annotated[tuple[Timeframe, ...], NoDecode] = Field(
        tuple(Timeframe), description="timeframes whose bar closes are judged, commas between"
    )
    close_grace_s: float = Field(
        2.0, gt=0, description="seconds that other streams are past a bar's end before it closes without a trade"
    )
    snapshot_every_s: float = Field(10.0, gt=0, description="seconds between two snapshots of a partition")
    min_score: float = Field(0.25, ge=0, le=1, description="least absolute score of a published signal")
    min_confidence: float = Field(0.3, ge=0, le=1, description="least confidence of a published signal")
    min_reward_to_risk: float = Field(0.5, ge=0, description="least reward-to-risk of the best target, after fees")
    fee_rate: float = Field(0.0005, ge=0, lt=0.1, description="taker fee a side, as a fraction, in every plan")
    model: Path | None = Field(None, description="file of a trained network; the scorecard alone where absent")

    def engine(self) -> EngineConfig:
        """Return what the engine is told.

        Raises:
            ConfigurationError: the file of the network cannot be used.
        """
        return EngineConfig(
            timeframes=self.timeframes,
            close_grace_ns=round(self.close_grace_s * SECOND_NS),
            plan=PlanParameters(fee_rate=self.fee_rate),
            model=None if self.model is None else read_model(self.model),
        )

    @field_validator("timeframes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value
