"""The lines of many processes become one readable log."""

import io

from deploy.local.screen import Screen, understand


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class _Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_structured_line_becomes_a_sentence_with_its_facts():
    raw = (
        '{"time":"2026-01-02T03:04:05.678+00:00","level":"warning","service":"ingest","logger":"x",'
        '"message":"gap","venue":"okx","missing":3,"cause":"two words"}'
    )
    line = understand(raw, "now")
    assert line.at == "03:04:05.678"
    assert line.level == "warning"
    assert line.text == 'gap venue=okx missing=3 cause="two words"'


def test_an_exception_stands_below_its_line():
    line = understand('{"message":"broke","error":"Traceback\\nValueError: x"}', "now")
    assert line.text == "broke\n    Traceback\n    ValueError: x"


def test_other_lines_stay_as_they_are():
    for raw in ("plain text", "{broken", '{"no":"words"}', ""):
        assert understand(raw, "12:00:00.000").text == raw


def test_no_colour_where_nobody_looks(tmp_path):
    out = io.StringIO()
    screen = Screen(tmp_path, stream=out)
    screen.line("signals", "hello")
    screen.progress("starting: waiting for alerts")
    screen.progress("starting: waiting for alerts")
    screen.progress("")
    assert "\x1b" not in out.getvalue()
    assert out.getvalue().count("waiting") == 1
    assert (tmp_path / "signals.log").read_text() == "hello\n"


def test_on_a_terminal_each_process_has_its_colour_and_progress_stays_below(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = _Terminal()
    screen = Screen(stream=out)
    screen.progress("waiting")
    screen.line("signals", "one")
    screen.line("alerts", "two")
    assert "\x1b[36msignals" in out.getvalue()
    assert "\x1b[32malerts" in out.getvalue()
    assert out.getvalue().endswith("\nwaiting")


def test_no_color_is_honoured(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    out = _Terminal()
    Screen(stream=out).line("signals", "one")
    assert "\x1b" not in out.getvalue()


def test_a_quiet_process_is_heard_when_it_complains():
    out = io.StringIO()
    screen = Screen(stream=out)
    screen.line("postgres", "LOG:  checkpoint complete", quiet=True)
    screen.line("postgres", "FATAL:  no disk", quiet=True)
    assert "checkpoint" not in out.getvalue()
    assert "no disk" in out.getvalue()


def test_a_reader_that_has_gone_is_noticed_not_raised():
    screen = Screen(stream=_Closed())
    screen.say("hello")
    assert screen.broken


def test_a_log_file_that_grew_long_is_put_aside(tmp_path):
    screen = Screen(tmp_path, stream=io.StringIO(), keep_bytes=100)
    for number in range(30):
        screen.line("signals", f"line {number}")
    assert (tmp_path / "signals.log").stat().st_size < 120
    assert (tmp_path / "signals.log.1").read_text().endswith("\n")


def test_a_log_that_cannot_be_kept_is_told_once(tmp_path):
    out = io.StringIO()
    screen = Screen(tmp_path / "nowhere", stream=out)
    screen.line("signals", "one")
    screen.line("signals", "two")
    assert out.getvalue().count("log files are no longer kept") == 1
    assert "two" in out.getvalue()
