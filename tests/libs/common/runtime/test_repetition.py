"""A library that repeats itself is heard once, and then with the count; everybody else always."""

import logging

from libs.common.runtime.repetition import Repetition


def record(
    at_s: float, name: str = "aiokafka.conn", words: str = "no node %s", *arguments: object
) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.ERROR, "f", 1, words, arguments, None)
    made.created = at_s
    return made


def test_equal_words_pass_once_in_ten_seconds_and_say_how_often_they_came():
    heard = Repetition("aiokafka")
    passed = [
        heard.filter(record(at_s, "aiokafka.conn", "no node %s", number)) for number, at_s in enumerate((0, 1, 9.9))
    ]
    assert passed == [True, False, False]
    again = record(10.0)
    assert heard.filter(again)
    assert vars(again)["repeats"] == 2
    assert heard.filter(last := record(25.0))
    assert not hasattr(last, "repeats")


def test_other_words_other_loggers_and_our_own_pass():
    heard = Repetition("aiokafka")
    assert heard.filter(record(0))
    assert heard.filter(record(0, words="something else"))
    assert heard.filter(record(0, name="aiokafka"))
    assert all(heard.filter(record(0, name="services.ingest.app")) for _ in range(3))
    assert all(heard.filter(record(0, name="aiokafkaish")) for _ in range(3))


def test_what_is_remembered_is_bounded():
    heard = Repetition("aiokafka")
    for number in range(1000):
        assert heard.filter(record(0, words=f"words {number}"))
    assert len(heard._said) <= 200
