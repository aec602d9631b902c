"""The part of ingest's settings that says which vendors are asked, with which keys, and where."""

from typing import Annotated, Any, Final, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from libs.common.runtime.settings import ServiceSettings
from services.ingest.vendors import VENDORS
from services.ingest.vendors.coinglass_rows import INTERVALS

VENDORS_ALONE: Final = "vendors"
"""In place of a venue: the process asks vendors, and follows no venue."""


class VendorSettings(ServiceSettings):
    """Vendors are asked by a process of their own, whose venue is `vendors`."""

    vendors: Annotated[tuple[str, ...], NoDecode] = ()
    """Names of `VENDORS`, commas between; asked by the process whose venue is `vendors`."""
    coinglass_key: SecretStr | None = None
    """CoinGlass; its numbers are absent without it."""
    coinglass_url: str | None = None
    """Scheme and host of CoinGlass; the vendor's own where absent."""
    coinglass_ws_url: str | None = None
    """Scheme and host of CoinGlass's socket; the vendor's own where absent."""
    coinglass_per_minute: float = Field(30.0, gt=0)
    """Requests a minute that the plan allows; 30 is the cheapest one's."""
    coinglass_interval: str = "4h"
    """Length of the rows of its histories; the cheapest plan takes 4h and longer."""
    lunarcrush_key: SecretStr | None = None
    """LunarCrush; its numbers are absent without it."""
    lunarcrush_url: str | None = None
    """Scheme, host and prefix of LunarCrush; the vendor's own where absent."""
    coingecko_key: SecretStr | None = None
    """CoinGecko; it answers without one too."""
    coingecko_url: str | None = None
    """Scheme, host and prefix of CoinGecko; a paid key needs https://pro-api.coingecko.com/api/v3."""
    alternative_url: str | None = None
    """Scheme and host of alternative.me; the vendor's own where absent."""

    @field_validator("vendors", mode="before")
    @classmethod
    def _split_vendors(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        return value

    @field_validator("vendors")
    @classmethod
    def _vendors(cls, vendors: tuple[str, ...]) -> tuple[str, ...]:
        for vendor in vendors:
            if vendor not in VENDORS:
                raise ValueError(f"unknown vendor {vendor!r}: one of {', '.join(sorted(VENDORS))}")
        return vendors

    @field_validator("coinglass_interval")
    @classmethod
    def _interval(cls, interval: str) -> str:
        if interval not in INTERVALS:
            raise ValueError(f"unknown interval {interval!r}: one of {', '.join(INTERVALS)}")
        return interval

    @model_validator(mode="after")
    def _one_purpose(self) -> Self:
        alone = getattr(self, "venue", None) == VENDORS_ALONE
        if self.vendors and not alone:
            raise ValueError(
                f"CSX_INGEST_VENDORS are asked by a process of their own: CSX_INGEST_VENUE={VENDORS_ALONE}"
            )
        if alone and not self.vendors:
            raise ValueError(f"no vendor: CSX_INGEST_VENDORS takes {', '.join(sorted(VENDORS))}")
        return self

    def vendor_options(self, vendor: str) -> dict[str, Any]:
        """Return what the vendor's maker takes, without what was left to its own defaults."""
        key = getattr(self, f"{vendor}_key", None)
        options = {
            "url": getattr(self, f"{vendor}_url"),
            "key": key.get_secret_value() if key is not None else None,
            "per_minute": getattr(self, f"{vendor}_per_minute", None),
            "interval": getattr(self, f"{vendor}_interval", None),
        }
        return {name: value for name, value in options.items() if value}
