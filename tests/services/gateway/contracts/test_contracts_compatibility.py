"""What breaks a client and what does not: a table of changes to one small document, by the rules of clients."""

import copy
from typing import Any

import pytest

from services.gateway.contracts.compatibility import breaking_changes

SIGNAL = {
    "title": "Signal",
    "type": "object",
    "properties": {
        "signal_id": {"type": "string"},
        "score": {"type": "number"},
        "label": {"enum": ["buy", "sell"]},
        "plan": {"anyOf": [{"$ref": "#/components/schemas/Plan"}, {"type": "null"}]},
    },
    "required": ["signal_id", "score", "label"],
}
PLAN = {
    "title": "Plan",
    "type": "object",
    "properties": {"stop": {"type": "number"}, "then": {"$ref": "#/components/schemas/Plan"}},
    "required": ["stop"],
}
RULE = {
    "title": "RuleWanted",
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 80},
        "side": {"enum": ["long", "short"]},
        "venues": {"type": "array", "maxItems": 20, "items": {"type": "string"}},
    },
    "required": ["name"],
    "additionalProperties": False,
}


def document() -> dict[str, Any]:
    problem = {"description": "no", "content": {"application/problem+json": {"schema": {"type": "object"}}}}
    signal = {"$ref": "#/components/schemas/Signal"}
    return copy.deepcopy(
        {
            "openapi": "3.1.0",
            "security": [{"key": []}],
            "paths": {
                "/v1/signals": {
                    "get": {
                        "operationId": "signalsList",
                        "parameters": [
                            {"in": "query", "name": "symbol", "schema": {"type": "string", "maxLength": 80}},
                            {
                                "in": "query",
                                "name": "limit",
                                "schema": {"type": "integer", "minimum": 1, "maximum": 500},
                            },
                            {"in": "query", "name": "timeframe", "required": True, "schema": {"enum": ["1m", "5m"]}},
                        ],
                        "responses": {
                            "200": {
                                "description": "ok",
                                "headers": {"ETag": {"schema": {"type": "string"}}},
                                "content": {
                                    "application/json": {
                                        "schema": {
                                            "type": "object",
                                            "properties": {"data": {"type": "array", "items": signal}},
                                            "required": ["data"],
                                        }
                                    }
                                },
                            },
                            "400": problem,
                        },
                    }
                },
                "/v1/rules": {
                    "post": {
                        "operationId": "rulesCreate",
                        "requestBody": {
                            "required": True,
                            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/RuleWanted"}}},
                        },
                        "responses": {"201": {"description": "made", "content": {"application/json": {}}}},
                    }
                },
                "/livez": {"get": {"operationId": "livez", "security": [], "responses": {"200": {"description": "y"}}}},
            },
            "components": {"schemas": {"Signal": SIGNAL, "Plan": PLAN, "RuleWanted": RULE}},
        }
    )


def listing(d: Any) -> Any:
    return d["paths"]["/v1/signals"]["get"]


def rule(d: Any) -> Any:
    return d["components"]["schemas"]["RuleWanted"]


def signal(d: Any) -> Any:
    return d["components"]["schemas"]["Signal"]


def plan(d: Any) -> Any:
    return d["components"]["schemas"]["Plan"]


BREAKING = {
    "an operation is gone": (lambda d: d["paths"].pop("/v1/rules"), "POST /v1/rules: is gone"),
    "an operation has another id": (lambda d: listing(d).update(operationId="listSignals"), "operationId"),
    "a parameter is gone": (lambda d: listing(d)["parameters"].pop(0), "symbol: is no parameter any more"),
    "a parameter is needed now": (lambda d: listing(d)["parameters"][0].update(required=True), "symbol: is needed now"),
    "a new parameter is needed": (
        lambda d: listing(d)["parameters"].append(
            {"in": "query", "name": "venue", "required": True, "schema": {"type": "string"}}
        ),
        "venue: is needed now",
    ),
    "a maximum fell": (lambda d: listing(d)["parameters"][1]["schema"].update(maximum=100), "maximum fell to 100"),
    "a length has a bound now": (lambda d: rule(d)["properties"]["name"].update(maxLength=8), "maxLength fell to 8"),
    "a word is not taken any more": (
        lambda d: listing(d)["parameters"][2]["schema"].update(enum=["1m"]),
        "5m is not taken any more",
    ),
    "a parameter is of another type": (
        lambda d: listing(d)["parameters"][0].update(schema={"type": "integer"}),
        "string is not taken any more",
    ),
    "a field of a body is needed now": (lambda d: rule(d)["required"].append("side"), "body.side: is needed now"),
    "a field of a body is gone": (lambda d: rule(d)["properties"].pop("venues"), "body.venues: is not taken any more"),
    "a list of a body is shorter": (lambda d: rule(d)["properties"]["venues"].update(maxItems=5), "maxItems fell to 5"),
    "a field of an answer is gone": (lambda d: signal(d)["properties"].pop("score"), ".data[].score: is gone"),
    "a field of an answer may be missing": (lambda d: signal(d)["required"].remove("score"), "score: may be missing"),
    "a field of an answer is of another type": (
        lambda d: signal(d)["properties"].update(score={"type": "string"}),
        "score: may be string now",
    ),
    "a field of an answer may be null": (
        lambda d: signal(d)["properties"].update(score={"anyOf": [{"type": "number"}, {"type": "null"}]}),
        "score: may be null now",
    ),
    "a type inside an alternative lost a field": (lambda d: plan(d)["properties"].pop("stop"), ".plan.stop: is gone"),
    "success has another status": (
        lambda d: listing(d)["responses"].update({"202": listing(d)["responses"].pop("200")}),
        "200: is not answered any more",
    ),
    "an answer is of another media type": (
        lambda d: listing(d)["responses"]["200"].update(content={"text/csv": {}}),
        "application/json is not answered any more",
    ),
    "a header of an answer is gone": (lambda d: listing(d)["responses"]["200"].pop("headers"), "header ETag is gone"),
    "a public operation needs credentials": (
        lambda d: d["paths"]["/livez"]["get"].pop("security"),
        "/livez: needs credentials now",
    ),
    "a body of another media type": (
        lambda d: d["paths"]["/v1/rules"]["post"]["requestBody"].update(content={"text/plain": {}}),
        "application/json is not taken any more",
    ),
}

HARMLESS = {
    "a new operation": lambda d: d["paths"].update({"/v1/new": copy.deepcopy(d["paths"]["/livez"])}),
    "a new optional parameter": lambda d: listing(d)["parameters"].append(
        {"in": "query", "name": "venue", "schema": {"type": "string"}}
    ),
    "a parameter is not needed any more": lambda d: listing(d)["parameters"][2].update(required=False),
    "a maximum rose": lambda d: listing(d)["parameters"][1]["schema"].update(maximum=1000),
    "one more word is taken": lambda d: listing(d)["parameters"][2]["schema"].update(enum=["1m", "5m", "1h"]),
    "numbers where integers were taken": lambda d: listing(d)["parameters"][1]["schema"].update(type="number"),
    "one more field of an answer": lambda d: signal(d)["properties"].update(judge={"type": "string"}),
    "integers where numbers were answered": lambda d: signal(d)["properties"].update(score={"type": "integer"}),
    "a field is always there now": lambda d: signal(d)["required"].append("plan"),
    "a new problem": lambda d: listing(d)["responses"].update({"429": {"description": "too many"}}),
    "other words of a description": lambda d: listing(d).update(summary="Signals", description="All of them"),
    "one more optional field of a body": lambda d: rule(d)["properties"].update(note={"type": "string"}),
    "a body may be left out": lambda d: d["paths"]["/v1/rules"]["post"]["requestBody"].update(required=False),
    "deprecated, but there": lambda d: listing(d).update(deprecated=True),
    "a type moved into the place of its reference": lambda d: listing(d)["responses"]["200"]["content"][
        "application/json"
    ]["schema"]["properties"]["data"].update(items=copy.deepcopy(signal(d))),
    "other order": lambda d: listing(d)["parameters"].reverse(),
}


@pytest.mark.parametrize("name", BREAKING)
def test_f20_breaking_changes_fail_the_gate(name):
    change, told = BREAKING[name]
    new = document()
    change(new)
    found = [str(one) for one in breaking_changes(document(), new)]
    assert any(told in one for one in found), found


@pytest.mark.parametrize("name", HARMLESS)
def test_f20_harmless_changes_pass_the_gate(name):
    new = document()
    HARMLESS[name](new)
    assert breaking_changes(document(), new) == []


def events() -> dict[str, Any]:
    return {
        "asyncapi": "3.0.0",
        "channels": {
            "stream": {
                "address": "/v1/stream",
                "messages": {
                    "update": {"$ref": "#/components/messages/Update"},
                    "subscribe": {"$ref": "#/components/messages/Subscribe"},
                },
            }
        },
        "operations": {
            "say": {
                "action": "send",
                "channel": {"$ref": "#/channels/stream"},
                "messages": [{"$ref": "#/channels/stream/messages/update"}],
            },
            "hear": {
                "action": "receive",
                "channel": {"$ref": "#/channels/stream"},
                "messages": [{"$ref": "#/channels/stream/messages/subscribe"}],
            },
        },
        "components": {
            "messages": {
                "Update": {
                    "payload": {"type": "object", "properties": {"seq": {"type": "integer"}}, "required": ["seq"]}
                },
                "Subscribe": {
                    "payload": {
                        "type": "object",
                        "properties": {"channel": {"enum": ["price", "book"]}},
                        "additionalProperties": False,
                    }
                },
            }
        },
    }


def payload(d: Any, message: str) -> Any:
    return d["components"]["messages"][message]["payload"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["channels"].pop("stream"), "channel stream: is gone"),
        (lambda d: d["channels"]["stream"].update(address="/v2/stream"), "is at /v2/stream"),
        (lambda d: d["operations"].pop("say"), "operation say: is gone"),
        (lambda d: d["operations"]["say"].update(messages=[]), "update: is gone"),
        (lambda d: payload(d, "Update")["properties"].pop("seq"), ".seq: is gone"),
        (lambda d: payload(d, "Subscribe")["properties"]["channel"].update(enum=["price"]), "book is not taken"),
        (lambda d: payload(d, "Subscribe").update(required=["channel"]), ".channel: is needed now"),
    ],
)
def test_f20_the_stream_is_gated_by_who_says_what(change, told):
    new = events()
    change(new)
    if "stream" not in new["channels"]:
        new["operations"] = {}
    found = [str(one) for one in breaking_changes(events(), new)]
    assert any(told in one for one in found), found


@pytest.mark.parametrize(
    "change",
    [
        lambda d: payload(d, "Update")["properties"].update(cursor={"type": "string"}),
        lambda d: payload(d, "Subscribe")["properties"]["channel"].update(enum=["price", "book", "candles"]),
        lambda d: d["channels"].update(more={"address": "/v1/more", "messages": {}}),
    ],
)
def test_f20_the_stream_may_say_and_take_more(change):
    new = events()
    change(new)
    assert breaking_changes(events(), new) == []
