"""What each group of layers weighs in, what it may weigh out: no family of layers outvotes the rest."""

from collections.abc import Mapping
from math import fsum


def clip(masses: Mapping[str, float], cap: float) -> dict[str, float]:
    """Return each mass cut to at most `cap` of what is left of all; masses are positive.

    The total T is the largest that solves T = sum of min(mass, c T) with c = max(cap, 1 / number of groups): the
    loudest groups are cut to c T and nothing is given to the others, so a group counts only as far as others speak
    beside it.
    """
    share = max(cap, 1.0 / len(masses)) if masses else cap
    order = sorted(masses, key=lambda group: -masses[group])
    for cut in range(len(order)):
        rest = fsum(masses[group] for group in order[cut:])
        total = rest / (1.0 - cut * share) if cut else rest
        if masses[order[cut]] <= share * total * (1.0 + 1e-12):
            limit = share * total
            return {group: min(mass, limit) for group, mass in masses.items()}
    return dict(masses)
