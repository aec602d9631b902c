"""A judged signal in; what speaks for it and against it, layer by layer, in plain words, out. Pure."""

from typing import Final

from libs.common.conditions.catalogue import METRICS
from libs.common.events import Contribution, LayerReading, Signal, Verdict
from services.alerts.policy import markup, numbers
from services.alerts.policy.markup import Piece, code, data, join
from services.alerts.policy.wording import banner, headline

_NAME_UNITS: Final = 48
_CAUSE_UNITS: Final = 160
_VALUE_UNITS: Final = 40
_ID_UNITS: Final = 96
_SENTENCE_UNITS: Final = 240
_LAYERS: Final = 12
_FACTS: Final = 6
_PREFIX: Final = "the layer's score: "


def explain(verdict: Verdict) -> Piece:
    """Return the evidence; it may be longer than one message."""
    signal = verdict.signal
    strongest = sorted(signal.contributions, key=lambda one: (-abs(one.contribution), one.layer))[:_LAYERS]
    readings = {one.layer: one for one in signal.readings}
    rows = [
        *banner(verdict.origin),
        headline(signal),
        join("Why: ", data(signal.venue, _NAME_UNITS), f", {signal.timeframe} bars, {numbers.utc(signal.as_of_ns)}"),
        join(f"The score {numbers.signed(signal.score)} is the sum of:"),
        *(row for one in strongest for row in _layer(one, signal, readings.get(one.layer))),
    ]
    if len(signal.contributions) > _LAYERS:
        rows.append(join(f"and {len(signal.contributions) - _LAYERS} more"))
    if not signal.contributions:
        rows.append(join("nothing: no layer spoke"))
    rows += [_silent(one.layer, one.cause) for one in signal.absent[:_LAYERS]]
    rows += _doubts(signal)
    rows += [
        join("Judged by ", data(verdict.judge, _NAME_UNITS), ": ", data(verdict.rationale or "-", _SENTENCE_UNITS)),
        join("Signal ", code(data(signal.signal_id, _ID_UNITS))),
    ]
    return markup.lines(rows)


def _layer(one: Contribution, signal: Signal, reading: LayerReading | None) -> list[Piece]:
    side = _side(one.contribution * (signal.direction.sign or 1))
    rows = [
        join(
            f"{numbers.signed(one.contribution)} ",
            data(_meaning(one.layer), _NAME_UNITS),
            f": speaks {side} it; score {numbers.signed(one.score)}, confidence {numbers.share(one.confidence)},"
            f" weight {numbers.share(one.weight)}",
        )
    ]
    facts = [(name, value) for name, value in (reading.facts if reading else {}).items() if value is not None][:_FACTS]
    if facts:
        parts: list[Piece | str] = ["   "]
        for number, (name, value) in enumerate(facts):
            parts += [", " if number else "", data(name, _NAME_UNITS), " ", data(_value(value), _VALUE_UNITS)]
        rows.append(join(*parts))
    return rows


def _side(signed: float) -> str:
    if signed == 0:
        return "neither for nor against"
    return "for" if signed > 0 else "against"


def _meaning(layer: str) -> str:
    known = METRICS.get(f"layer_{layer}")
    return f"{known.meaning.removeprefix(_PREFIX)} ({layer})" if known else layer


def _value(value: float | str | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _silent(layer: str, cause: str) -> Piece:
    return join("Silent: ", data(_meaning(layer), _NAME_UNITS), ", ", data(cause, _CAUSE_UNITS))


def _doubts(signal: Signal) -> list[Piece]:
    rows = []
    if signal.conflict is not None:
        rows.append(join(f"Against it speaks {numbers.share(signal.conflict)} of the evidence"))
    if signal.effective_layers is not None:
        rows.append(join(f"Independent voices: {signal.effective_layers:.1f}"))
    if signal.plan is not None:
        rows.append(join("Wrong if: ", data(signal.plan.invalidation, _SENTENCE_UNITS)))
    return rows
