"""The memory guard: where its limit comes from, and what it does at 80 and at 90 percent."""

import pytest

from libs.common.runtime.memory import MemoryGuard, limit_bytes, resident_bytes

MIB = 1024 * 1024


def test_the_configured_limit_wins_then_the_containers_then_none(tmp_path):
    modern, old = tmp_path / "memory.max", tmp_path / "memory.limit_in_bytes"
    modern.write_text("max\n")
    old.write_text(f"{64 * MIB}\n")
    assert limit_bytes(10, (modern, old)) == 10 * MIB
    assert limit_bytes(None, (modern, old)) == 64 * MIB
    old.write_text("9223372036854771712\n")
    assert limit_bytes(None, (modern, old)) is None
    assert limit_bytes(None, (tmp_path / "absent",)) is None


def test_the_resident_set_of_this_process_is_plausible():
    assert 10 * MIB < resident_bytes() < 4096 * MIB


@pytest.mark.parametrize(
    ("resident", "shed", "restarted"), [(79, 0, False), (80, 1, False), (89, 1, False), (90, 1, True), (120, 1, True)]
)
def test_it_sheds_from_80_percent_and_restarts_at_90(resident, shed, restarted):
    reasons: list[str] = []
    calls: list[int] = []
    guard = MemoryGuard(100, reasons.append, resident=lambda: resident)
    guard.on_pressure(lambda: calls.append(1))
    guard.look()
    assert (len(calls), bool(reasons)) == (shed, restarted)


def test_shedding_enough_spares_the_restart():
    held = [95]
    reasons: list[str] = []
    guard = MemoryGuard(100, reasons.append, resident=lambda: held[0])
    guard.on_pressure(lambda: held.__setitem__(0, 40))
    guard.look()
    assert reasons == []


def test_without_a_limit_it_only_watches():
    reasons: list[str] = []
    MemoryGuard(None, reasons.append, resident=lambda: 10**12).look()
    assert reasons == []
