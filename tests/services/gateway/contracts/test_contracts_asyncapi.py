"""The document of the stream: of the form that AsyncAPI 3.0 asks for, and what is sent is what it says."""

import json

import msgspec
import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types

from services.gateway.contracts.asyncapi import asyncapi_document
from services.gateway.contracts.compatibility import breaking_changes
from services.gateway.stream.channels import CHANNELS
from services.gateway.stream.words import WORDS, tag_of
from tests.services.gateway.stream.talking import desk


@pytest.fixture(scope="module")
def document():
    return json.loads(msgspec.json.encode(asyncapi_document()))


def resolve(document, reference):
    assert reference.startswith("#/"), reference
    found = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(part):
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for one in part.values():
            yield from references(one)
    elif isinstance(part, list):
        for one in part:
            yield from references(one)


def schema_of(document, name):
    message = document["components"]["messages"][name]["payload"]
    return message | {"components": document["components"]}


def test_another_library_takes_the_document_for_asyncapi_3(document):
    assert document["asyncapi"] == "3.0.0"
    read = ApplicationSchema.model_validate(document)
    assert set(read.operations) == set(document["operations"])


def test_every_reference_leads_somewhere_and_every_schema_is_one(document):
    found = set(references(document))
    assert found
    for reference in found:
        assert resolve(document, reference)
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for message in document["components"]["messages"].values():
        Draft202012Validator.check_schema(message["payload"])


def test_every_operation_names_messages_of_its_channel_and_none_is_left_over(document):
    (channel,) = document["channels"].values()
    assert channel["address"] == "/v1/stream"
    named = set()
    for operation in document["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert operation["summary"]
        assert resolve(document, operation["channel"]["$ref"]) == channel
        for one in operation["messages"]:
            name = one["$ref"].rpartition("/")[2]
            assert channel["messages"][name]["$ref"] == f"#/components/messages/{name}"
            named.add(name)
    assert named == set(channel["messages"]) == set(document["components"]["messages"])
    assert set(CHANNELS) <= named
    assert {tag_of(word) for word in WORDS} <= named


def test_its_examples_are_requests(document):
    validator = Draft202012Validator(schema_of(document, "request"))
    for example in document["components"]["messages"]["request"]["examples"]:
        validator.validate(example["payload"])


def test_a_channel_that_is_gone_or_a_field_that_is_not_sent_any_more_breaks_it(document):
    assert breaking_changes(document, document) == []
    less = json.loads(json.dumps(document))
    del less["operations"]["signals"]
    assert [str(one) for one in breaking_changes(document, less)] == ["operation signals: is gone"]
    other = json.loads(json.dumps(document))
    del other["components"]["messages"]["signals"]["payload"]["properties"]["cursor"]
    assert breaking_changes(document, other)
    assert breaking_changes(less, document) == []


async def test_what_is_sent_is_what_the_document_says(gateway, address, make, document):
    signal = make.signal(1)
    await gateway.fold(make.trade(), make.snapshot(10), make.reading(), signal, make.verdict(signal), make.delivery())
    async with desk(address, gateway.key) as client:
        for channel in CHANNELS:
            if channel != "deliveries":  # the key has no scope for it
                symbol = "" if channel == "health" else "BTC-USDT-PERP"
                await client.say(op="subscribe", id=channel, channel=channel, symbol=symbol)
                await client.hear(type="subscribed", id=channel)
        await client.say(op="subscribe", id="no", channel="deliveries")
        await client.hear(type="error", id="no")
        await gateway.fold(make.trade(2.0, n=2), make.candle(), make.signal(2))
        await client.hear(type="update", channel="signals")
        await client.say(op="unsubscribe", channel="price")
        await client.say(op="ping", id=1)
        await client.hear(type="pong")
        await client.hear(type="heartbeat")
    kinds = set()
    for message in client.heard:
        name = message["channel"] if message["type"] in {"snapshot", "update"} else message["type"]
        Draft202012Validator(schema_of(document, name)).validate(message)
        kinds.add(name)
    assert {"ready", "subscribed", "unsubscribed", "error", "pong", "heartbeat", "signals", "verdicts", "book"} <= kinds


async def test_the_document_is_served(ask, document):
    assert (await ask("/asyncapi.json")).json() == document
