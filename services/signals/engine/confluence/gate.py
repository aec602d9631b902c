"""A trained network's report on unseen data in, whether it may decide out."""

from typing import Final

from services.signals.engine.confluence.artefact import Artefact

LEAST_OUTCOMES: Final = 783
"""What tells a hit rate of 55 % from 50 % with a power of 80 % at the 5 % level."""
_LEAST_BINS: Final = 5
UNPROVEN: Final = "unproven"
PASSED: Final = "proven_out_of_sample"


def objection(artefact: Artefact) -> str | None:
    """Return why the network may not decide; None when its gate is passed.

    The rule: the gate's data begin after those of training end; at least 783 outcomes after their overlap is taken
    off; the lower end of the 95 % interval of the Brier skill lies above zero; and the calibration curve has five bins
    or more, which hold every outcome, each observed rate within its 95 % band.
    """
    gate = artefact.gate
    if gate is None:
        return "no gate report"
    checks = (
        (artefact.provenance.to_ns < gate.from_ns < gate.to_ns, "the gate's data do not follow those of training"),
        (
            LEAST_OUTCOMES <= gate.n_effective <= gate.n,
            f"{gate.n_effective:g} effective outcomes of {gate.n}, {LEAST_OUTCOMES} are needed",
        ),
        (
            0.0 < gate.brier_skill_low <= gate.brier_skill <= 1.0,
            f"the Brier skill may be {gate.brier_skill_low:g}, it must lie above 0",
        ),
        (
            len(gate.calibration) >= _LEAST_BINS and sum(one.n for one in gate.calibration) == gate.n,
            f"the calibration curve needs {_LEAST_BINS} bins that hold all outcomes",
        ),
        (
            all(one.n > 0 and 0.0 <= one.low <= one.observed <= one.high <= 1.0 for one in gate.calibration),
            "the calibration curve leaves its band",
        ),
    )
    return next((cause for passed, cause in checks if not passed), None)
