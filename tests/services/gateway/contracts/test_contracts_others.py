"""Texts that others wrote: every field that may hold one is quoted for assistants, and nothing else is."""

import msgspec
import pytest

from services.gateway.contracts.others import OTHERS, quote, texts_of
from services.gateway.operations.catalogue import BY_NAME, OPERATIONS
from services.gateway.operations.operation import Download, Surface

SUSPECT = {"rationale", "reason", "condition", "until", "fault", "note", "comment", "message"}
OURS = {"TemplateView": "templates are written here"}


def components():
    offered = [one for one in OPERATIONS if one.surfaces & (Surface.GPT | Surface.MCP)]
    _, parts = msgspec.json.schema_components([one.answer for one in offered if one.answer not in {None, Download}])
    return {name: set(part.get("properties", {})) for name, part in parts.items()}


def test_every_field_that_may_hold_others_texts_is_quoted():
    for name, fields in components().items():
        if name not in OURS:
            assert fields & SUSPECT <= OTHERS.get(name, frozenset()), name


def test_every_row_of_the_table_is_a_field_of_an_answer():
    found = components()
    for name, fields in OTHERS.items():
        assert fields <= found[name], name


@pytest.mark.parametrize(
    ("operation", "plain", "told"),
    [
        (
            "signals.list",
            {"data": [{"rationale": "x", "judge": "rules"}, {"rationale": None}], "next_cursor": None},
            {
                "data": [{"rationale": {"untrusted_text": "x"}, "judge": "rules"}, {"rationale": None}],
                "next_cursor": None,
            },
        ),
        (
            "signals.get",
            {"rationale": "x", "deliveries": [{"reason": "y", "recipient": "***"}], "inputs": {"rationale": "z"}},
            {
                "rationale": {"untrusted_text": "x"},
                "deliveries": [{"reason": {"untrusted_text": "y"}, "recipient": "***"}],
                "inputs": {"rationale": "z"},
            },
        ),
    ],
)
def test_the_text_is_quoted_where_it_stands(operation, plain, told):
    assert quote(plain, texts_of(BY_NAME[operation].answer)) == told
