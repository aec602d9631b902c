"""Records of several topics of one partition, back in the order in which they reached us."""

from collections import deque
from collections.abc import Collection, Sequence

from msgspec import Struct

from libs.common.events import Event


class Arrived(Struct, frozen=True):
    """One record and where it stood."""

    topic: str
    offset: int
    event: Event

    @property
    def received_ns(self) -> int:
        """When its frame was read by ingest; 0 for what has no such time."""
        return int(getattr(self.event, "received_ns", 0))


class Merge:
    """Holds back what may still be preceded by a record of another topic.

    A consumer gets topics in blocks. Folding the blocks as they come would let books run ahead of trades after a
    pause, and bars would close before their trades were seen. So the earliest head goes first, and nothing passes a
    topic that is empty here but not yet read to its end.
    """

    def __init__(self, topics: Sequence[str]) -> None:
        self._waiting: dict[str, deque[Arrived]] = {topic: deque() for topic in topics}
        self._seen_ns = dict.fromkeys(topics, 0)

    def __len__(self) -> int:
        """How many records are held back."""
        return sum(map(len, self._waiting.values()))

    def waiting(self) -> dict[str, int]:
        """Return how many records of each topic are held back."""
        return {topic: len(waiting) for topic, waiting in self._waiting.items()}

    def add(self, arrived: Arrived) -> None:
        """Take one record; each topic's come in order of offset."""
        self._waiting[arrived.topic].append(arrived)

    def release(self, caught_up: Collection[str]) -> list[Arrived]:
        """Return, in order, what nothing can precede any more; `caught_up` are the topics read to their end."""
        released: list[Arrived] = []
        while True:
            topic = min(
                (name for name, waiting in self._waiting.items() if waiting),
                key=lambda name: self._waiting[name][0].received_ns,
                default=None,
            )
            if topic is None:
                return released
            head_ns = self._waiting[topic][0].received_ns
            for name, waiting in self._waiting.items():
                if not waiting and name not in caught_up and self._seen_ns[name] < head_ns:
                    return released
            released.append(self._waiting[topic].popleft())
            self._seen_ns[topic] = max(self._seen_ns[topic], head_ns)
