import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.signals.engine.confluence.voices import Voices
from services.signals.engine.parameters.confluence import ConfluenceParameters

CONFIG = ConfluenceParameters(voices_half_life=20.0, voices_min=30)


def listen(rows, voices=None):
    voices = voices or Voices()
    for row in rows:
        voices.hear(dict(zip("abc", row, strict=False)), CONFIG)
    return voices


def test_one_voice_said_three_times_is_one():
    noise = np.random.default_rng(1).uniform(-1, 1, 200).tolist()
    assert listen([(x, 0.5 * x, 0.5 * x) for x in noise]).effective("abc", CONFIG) == pytest.approx(1.0)


def test_independent_voices_count_each():
    noise = np.random.default_rng(2).uniform(-1, 1, (4000, 3)).tolist()
    slow = ConfluenceParameters(voices_half_life=1000.0)
    voices = Voices()
    for row in noise:
        voices.hear(dict(zip("abc", row, strict=True)), slow)
    assert voices.effective("abc", slow) == pytest.approx(3.0, abs=0.05)


def test_equals_the_eigenvalues_of_the_weighted_covariance():
    rows = np.random.default_rng(3).uniform(-1, 1, (80, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0.3], [0, 0, 1]])
    keep = 0.5 ** (1 / 20)
    mean, cov = rows[0].copy(), np.zeros((3, 3))
    for row in rows:
        away = row - mean
        cov = keep * (cov + (1 - keep) * np.outer(away, away))
        mean += (1 - keep) * away
    values = np.linalg.eigvalsh(cov)
    assert listen(rows.tolist()).effective("abc", CONFIG) == pytest.approx(values.sum() ** 2 / (values**2).sum())


def test_absent_until_all_have_spoken_often_and_differently():
    rows = [(0.01 * n, -0.02 * n * n) for n in range(29)]
    voices = listen(rows)
    assert voices.effective("ab", CONFIG) is None
    listen([(0.5, 0.1)], voices)
    assert voices.effective("ab", CONFIG) is not None
    assert voices.effective("abc", CONFIG) is None
    assert voices.effective("", CONFIG) is None
    assert listen([(0.5, 0.5)] * 40).effective("ab", CONFIG) is None


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.booleans()), min_size=60, max_size=90))
def test_bounded_whoever_is_silent_and_the_same_after_a_dump(rows):
    voices = Voices()
    for at, (a, b, both) in enumerate(rows):
        voices.hear({"a": a, "b": b} if both else {"a": a}, CONFIG)
        if at == 30:
            voices = msgspec.msgpack.decode(msgspec.msgpack.encode(voices), type=Voices)
    found = voices.effective("ab", CONFIG)
    assert found is None or 1 <= found <= 2
