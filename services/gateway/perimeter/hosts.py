"""Which host names requests may name: names in, yes or no out. Pure."""

from collections.abc import Collection


class Hosts:
    """The names that are ours; none: any."""

    def __init__(self, names: Collection[str] = ()) -> None:
        self._names = frozenset(names)

    def serve(self, host: str) -> bool:
        """Tell whether a `Host` field, in lower case, names us."""
        return not self._names or name_of(host) in self._names


def name_of(host: str) -> str:
    """Return a `Host` field without its port, and without the brackets of an address."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
