"""Positions of the largest accounts in, their side out: with them."""

from services.signals.engine.factors.factor import Finding, absent, climb
from services.signals.engine.factors.heard import Heard
from services.signals.engine.factors.shares import long_share
from services.signals.engine.parameters.factors import FactorsParameters


def judge(heard: Heard, as_of_ns: int, told: FactorsParameters) -> Finding:
    """Score the share of long positions of the accounts with the largest margin."""
    found = long_share(heard, "top_positions_long_short_ratio", "top_positions_long", as_of_ns, told.accounts_stale_ns)
    if isinstance(found, str):
        return absent(found)
    share, sureness, source = found
    return Finding(
        climb(share - 0.5, told.position_rungs),
        sureness,
        {"top_positions_long_share": share, "smart_money_source": source},
    )
