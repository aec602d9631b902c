import hashlib
import json

import msgspec
import pytest

from libs.common.runtime.errors import ConfigurationError
from services.signals.engine.confluence.artefact import ArtefactError, digest, load_artefact
from services.signals.engine.confluence.gate import objection
from services.signals.model_file import read_model


def test_what_is_written_is_read_and_named_by_its_content(hand):
    made = hand.artefact(hand.gate())
    data = msgspec.json.encode(made)
    assert load_artefact(data) == made
    content = {key: value for key, value in json.loads(data).items() if key != "sha256"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    assert hashlib.sha256(canonical).hexdigest() == made.sha256
    assert made.name == f"by-hand-{made.sha256[:12]}"


def spoil(hand, **changes):
    return msgspec.json.encode(hand.artefact(**changes))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "csx-additive-network-0"}, "the format is 'csx-additive-network-0'"),
        ({"family": "Best Ever"}, "lower case"),
        ({"subnets": ()}, "one subnet a layer"),
    ],
)
def test_a_wrong_head_is_refused(hand, change, words):
    with pytest.raises(ArtefactError, match=words):
        load_artefact(spoil(hand, **change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layer": "astrology"}, "unknown layer"),
        ({"features": ("score", "moon")}, "features must be known"),
        ({"features": ("score", "score")}, "each once"),
        ({"features": ("confidence", "regime.trend")}, "with `score`"),
        ({"mean": (0.0,)}, "mean and scale must have 2"),
        ({"weights": ((1.0, 2.0), (1.0,), (0.0, 0.0))}, "weights must be 3 x 2"),
        ({"bias": (1.0,)}, "bias 3"),
        ({"scale": (1.0, 0.0)}, "scale must be above zero"),
        ({"output": (), "bias": (), "weights": ()}, "1 to 64 units"),
    ],
)
def test_a_wrong_subnet_is_refused(hand, change, words):
    one = msgspec.structs.replace(hand.subnet("cvd", ("score", "confidence")), **change)
    with pytest.raises(ArtefactError, match=words):
        load_artefact(spoil(hand, subnets=(one,)))


def test_what_is_no_number_is_refused(hand):
    data = msgspec.json.encode(hand.artefact())
    for number in (b"NaN", b"1e999", b"null"):
        with pytest.raises(ArtefactError):
            load_artefact(data.replace(b'"intercept":-0.05', b'"intercept":' + number))


def test_a_changed_weight_and_an_unknown_field_are_refused(hand):
    data = msgspec.json.encode(hand.artefact())
    with pytest.raises(ArtefactError, match="the hash of the content is"):
        load_artefact(data.replace(b'"intercept":-0.05', b'"intercept":-0.06'))
    with pytest.raises(ArtefactError, match="unknown field"):
        load_artefact(data.replace(b'"intercept"', b'"accuracy":0.94,"intercept"'))
    with pytest.raises(ArtefactError, match="not an artefact"):
        load_artefact(b"\xff\xfe")


def test_a_file_is_read_only_under_the_name_of_its_content(hand, tmp_path):
    made = hand.artefact()
    good, bad = tmp_path / f"{made.name}.json", tmp_path / "latest.json"
    for path in (good, bad):
        path.write_bytes(msgspec.json.encode(made))
    assert read_model(good) == made
    with pytest.raises(ConfigurationError, match=f"must contain {made.name}"):
        read_model(bad)
    with pytest.raises(ConfigurationError, match="No such file"):
        read_model(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"from_ns": 100}, "do not follow"),
        ({"n_effective": 782.9}, "783 are needed"),
        ({"n_effective": 1001.0}, "783 are needed"),
        ({"brier_skill_low": 0.0}, "must lie above 0"),
        ({"brier_skill_low": float("nan")}, "must lie above 0"),
        ({"calibration": ()}, "5 bins"),
        ({"n": 1001}, "5 bins"),
    ],
)
def test_the_gate_stays_shut(hand, change, words):
    assert words in str(objection(hand.artefact(hand.gate(**change))))


def test_the_gate_opens_only_with_a_report_within_its_band(hand):
    assert objection(hand.artefact()) == "no gate report"
    report = hand.gate()
    assert objection(hand.artefact(report)) is None
    out = msgspec.structs.replace(report.calibration[0], observed=report.calibration[0].high + 0.001)
    spoiled = hand.artefact(hand.gate(calibration=(out, *report.calibration[1:])))
    assert objection(spoiled) == "the calibration curve leaves its band"
    assert len(digest(hand.artefact())) == 64
