"""Accounts that are net long in, the crowd's side out: contrarian."""

from services.signals.engine.factors.factor import Finding, absent, climb
from services.signals.engine.factors.heard import Heard
from services.signals.engine.factors.shares import long_share
from services.signals.engine.parameters.factors import FactorsParameters


def judge(heard: Heard, as_of_ns: int, told: FactorsParameters) -> Finding:
    """Score the share of accounts that are long, against it."""
    found = long_share(heard, "accounts_long_short_ratio", "accounts_long", as_of_ns, told.accounts_stale_ns)
    if isinstance(found, str):
        return absent(found)
    share, sureness, source = found
    return Finding(
        -climb(share - 0.5, told.account_rungs), sureness, {"accounts_long_share": share, "long_short_source": source}
    )
