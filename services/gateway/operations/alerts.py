"""Everything on alerts, in one tuple for the catalogue."""

from typing import Final

from services.gateway.operations.deliveries import DELIVERIES
from services.gateway.operations.recipients import RECIPIENTS
from services.gateway.operations.rules import RULES
from services.gateway.operations.subscriptions import SUBSCRIPTIONS

ALERTS: Final = (*RULES, *SUBSCRIPTIONS, *RECIPIENTS, *DELIVERIES)
