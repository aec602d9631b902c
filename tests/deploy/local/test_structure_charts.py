"""The pictures of the definitions are those of the code, and show what they say."""

import xml.etree.ElementTree as ET

from deploy.local.charts import Chart, Note, Zone
from deploy.local.structure_charts import PICTURES, SUBJECTS, charts, simulated
from services.signals.engine.bars import Bar


def test_every_subject_is_drawn_and_the_committed_pictures_are_these():
    drawn = dict(charts(simulated()))
    assert drawn.keys() == {subject.name for subject in SUBJECTS}
    for name, svg in drawn.items():
        assert (PICTURES / f"{name}.svg").read_text(encoding="utf-8") == svg, f"{name}: run make charts"
        assert "SIMULATED" in svg


def test_a_chart_is_well_formed_and_stays_in_its_frame():
    bars = [Bar(n, 10 + n, 12 + n, 9 + n, 11 + n, 1.0) for n in range(5)]
    chart = Chart(
        "a < b", bars, [Zone(1, 3, 10.0, 14.0, "zone & more", 1), Zone(0, 4, 11.0, 11.0)], [Note(2, 14, "x")], 3
    )
    root = ET.fromstring(chart.svg())
    assert root.attrib["aria-label"] == "a < b"
    heights = [float(rect.attrib["y"]) for rect in root.iter("{http://www.w3.org/2000/svg}rect") if "y" in rect.attrib]
    assert len(heights) == 6
    assert all(0 <= height <= 340 for height in heights)
