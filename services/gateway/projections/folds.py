"""Every fold of the gateway: which topics, as which group, by what. One group holds up only its own views."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from libs.common.bus.consuming import Handler
from libs.common.bus.kafka import POLL_MS
from libs.common.bus.topics import Topic
from services.gateway.projections.flows import FLOW_TOPICS, FlowFold
from services.gateway.projections.history import HISTORY_TOPICS, History
from services.gateway.projections.live import LIVE_TOPICS, Live
from services.gateway.projections.quality import QUALITY_TOPICS, QualityFold
from services.gateway.projections.readings import READING_TOPICS, ReadingFold
from services.gateway.projections.rules import RULES_TOPICS, RuleBook
from services.gateway.projections.signals import SIGNAL_TOPICS, SignalFold
from services.gateway.store.latest import Latest
from services.gateway.store.store import Store

MOST_RECORDS: Final = 400
"""Of one batch: the loop that folds it serves requests too, and waits for nobody for longer than some milliseconds."""
_PROMPT_MS: Final = 4
"""Of what stream clients wait for; each poll costs some thirty microseconds."""


class Fold(NamedTuple):
    """One consumer group."""

    group: str
    topics: Sequence[Topic]
    handler: Handler
    poll_ms: int = POLL_MS


def folds(store: Store, latest: Latest, live: Live) -> tuple[Fold, ...]:
    """Return every fold, over the stores."""
    return (
        Fold("gateway.history", HISTORY_TOPICS, History(store, latest)),
        Fold("gateway.signals", SIGNAL_TOPICS, SignalFold(store, latest), _PROMPT_MS),
        Fold("gateway.flows", FLOW_TOPICS, FlowFold(store.flows, latest)),
        Fold("gateway.readings", READING_TOPICS, ReadingFold(store.readings)),
        Fold("gateway.quality", QUALITY_TOPICS, QualityFold(store.flows, latest)),
        Fold("gateway.live", LIVE_TOPICS, live),
        Fold("gateway.rules", RULES_TOPICS, RuleBook(store)),
    )
