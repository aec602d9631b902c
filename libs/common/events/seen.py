"""A bounded memory of ids, to drop what was delivered twice."""

from msgspec import Struct, field


class Seen(Struct):
    """The newest ids in two generations: at least half of `limit` and at most `limit` are remembered.

    Dictionaries stand for sets, because their order, and so the bytes of a dump, do not depend on hashes.
    """

    limit: int
    young: dict[str, None] = field(default_factory=dict)
    old: dict[str, None] = field(default_factory=dict)

    def add(self, key: str) -> bool:
        """Remember `key`; False when it is known already."""
        if key in self.young or key in self.old:
            return False
        self.young[key] = None
        if 2 * len(self.young) >= self.limit:
            self.young, self.old = {}, self.young
        return True
