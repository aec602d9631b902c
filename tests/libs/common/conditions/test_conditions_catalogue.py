"""The catalogue against the events it claims to be read from, and against its table in the documentation."""

import re
from pathlib import Path

import msgspec
import pytest

from libs.common import events
from libs.common.conditions.catalogue import METRICS
from libs.common.conditions.language import Fault, compile_condition
from libs.common.conditions.subjects import Fact, Kind
from libs.common.conditions.templates import TEMPLATES
from libs.common.events.catalogue import METRICS as VENDORS
from libs.common.events.feeds import StreamQuality

DOCS = (Path(__file__).parents[4] / "docs" / "alerts.md").read_text()
TYPES = {float: "number", str: "text", bool: "true or false"}


@pytest.mark.parametrize("name", METRICS)
def test_every_field_of_the_catalogue_is_in_our_events(name):
    metric = METRICS[name]
    if metric.kinds == {Kind.SYSTEM}:
        assert metric.source == "system"
        return
    for source in metric.source.split():
        owner, field = source.split(".")
        event = StreamQuality if owner == "StreamQuality" else getattr(events, owner)
        assert field in {one.name for one in msgspec.structs.fields(event)}, source


def test_every_number_of_vendors_can_be_asked_about():
    assert {name for name, one in METRICS.items() if Kind.METRIC in one.kinds} - {"symbol", "venue", "exchange"} == set(
        VENDORS
    )


@pytest.mark.parametrize("name", METRICS)
def test_each_name_compiles_where_it_is_known_and_nowhere_else(name):
    metric = METRICS[name]
    text = {float: f"{name} > 0", str: f'{name} == "{(*metric.values, "x")[0]}"', bool: name}[metric.type]
    for kind in Kind:
        if kind in metric.kinds:
            assert compile_condition(text, kind).names == {name}
        else:
            with pytest.raises(Fault, match="is not known of a"):
                compile_condition(text, kind)


def test_the_documentation_has_the_same_catalogue():
    rows = {
        row[0]: row[1:]
        for row in re.findall(
            r"^\| `(\w+)` \| (number|text|true or false) \| ([^|]*) \| ([^|]*) \|", DOCS, re.MULTILINE
        )
    }
    ours = {name: one for name, one in METRICS.items() if name not in VENDORS}
    assert set(rows) == set(ours)
    for name, one in ours.items():
        kinds = "all but system" if one.kinds == set(Kind) - {Kind.SYSTEM} else ", ".join(sorted(one.kinds))
        unit = " ".join(one.values) if one.values else "" if one.unit in {"text", "true or false"} else one.unit
        assert rows[name] == (TYPES[one.type], unit, kinds), name


def test_the_documentation_has_the_same_templates():
    rows = dict(re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", DOCS, re.MULTILINE))
    assert rows == {name: one.condition for name, one in TEMPLATES.items()}


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_compiles_and_its_end_contradicts_its_condition(name):
    template = TEMPLATES[name]
    condition = compile_condition(template.condition, template.kind)
    assert condition.text == template.condition
    assert template.name == name
    if template.until:
        assert compile_condition(template.until, template.kind).names


def test_a_template_fires_at_its_threshold():
    storm = TEMPLATES["storm_majors"]
    facts: dict[str, Fact] = {"cap_group": "majors", "storm": True, "liq_usd_30s": 2_000_000.0}
    assert compile_condition(storm.condition, storm.kind).holds(facts) is True
    assert compile_condition(storm.condition, storm.kind).holds(facts | {"cap_group": "mid"}) is False
    assert compile_condition(storm.until, storm.kind).holds(facts | {"liq_usd_30s": 999_999.0}) is True
    funding = TEMPLATES["funding_extreme"]
    extreme = compile_condition(funding.condition, funding.kind)
    assert extreme.holds({"funding_bps_8h": -10.0, "funding_rank": 0.05}) is True
    assert extreme.holds({"funding_bps_8h": 9.9}) is False
    assert extreme.holds({"funding_bps_8h": 10.0}) is None
    quiet = TEMPLATES["single_liquidation_majors"]
    assert compile_condition(quiet.until, quiet.kind).holds({"liq_count_30s": 0.0}) is True
