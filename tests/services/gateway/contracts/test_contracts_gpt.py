"""The document for a custom GPT against the published limits of its builder, and those limits against broken ones.

The rules are the builder's (production notes of GPT actions), written here from its documentation, not from our code.
"""

import copy
import json
import re

import pytest
from openapi_spec_validator import validate

from services.gateway.contracts.gpt import MOST_OPERATIONS, gpt_document
from services.gateway.operations.catalogue import OPERATIONS

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
SERVER = "https://gateway.example"


def faults(document):
    """Yield each limit of the builder that a document breaks."""
    if not str(document.get("openapi", "")).startswith(("3.0.", "3.1.")):
        yield "OpenAPI 3.0 or 3.1"
    servers = document.get("servers", [])
    if len(servers) != 1 or not servers[0]["url"].startswith("https://"):
        yield "one server, by https"
    schemes = list(document.get("components", {}).get("securitySchemes", {}).values())
    if len(schemes) != 1:
        yield "one way to sign in"
    elif schemes[0]["type"] not in {"http", "apiKey", "oauth2"} or schemes[0].get("in") in {"query", "cookie"}:
        yield "a key in the head, or OAuth"
    if len(json.dumps(document)) >= 100_000:
        yield "under 100,000 characters"
    operations = [
        (method, one) for item in document["paths"].values() for method, one in item.items() if method in METHODS
    ]
    if not 1 <= len(operations) <= 30:
        yield "at most 30 operations"
    ids = [one.get("operationId", "") for _, one in operations]
    if len(set(ids)) != len(ids):
        yield "each id once"
    for method, one in operations:
        yield from operation_faults(method, one)
    if re.search(r'"\$ref": "(?!#/)', json.dumps(document)):
        yield "references into the document only"


def operation_faults(method, one):
    name = one.get("operationId", "")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        yield "an id of letters, digits, _ and -, at most 64"
    texts = [one.get("summary", ""), one.get("description", "")]
    if not any(texts):
        yield "a summary or a description"
    if max(map(len, texts)) > 300:
        yield "summary and description of at most 300 characters"
    yield from parameter_faults(one)
    if method != "get" and one.get("x-openai-isConsequential") is not True:
        yield "what changes anything is consequential"
    if "x-openai-isConsequential" not in one:
        yield "says whether it is consequential"
    for response in one.get("responses", {}).values():
        if set(response.get("content", {"application/json": {}})) - {"application/json"}:
            yield "JSON answers"


def parameter_faults(one):
    for parameter in one.get("parameters", []):
        if parameter["in"] not in {"query", "path"}:
            yield "no headers of its own, no cookies"
        if len(parameter.get("description", "")) > 700:
            yield "descriptions of parameters of at most 700 characters"
        if parameter["schema"].get("type") in {"object", None} and "anyOf" not in parameter["schema"]:
            yield "flat parameters"


@pytest.fixture(scope="module")
def ours():
    return json.loads(json.dumps(gpt_document(OPERATIONS, server=SERVER, version="1.0.0")))


def test_the_document_keeps_every_limit_of_the_builder(ours):
    assert list(faults(ours)) == []
    validate(ours)


def test_few_enough_operations_are_offered_and_none_writes(ours):
    operations = [one for item in ours["paths"].values() for one in item.values()]
    assert len(operations) <= MOST_OPERATIONS
    assert {one["x-openai-isConsequential"] for one in operations} == {False}
    assert all(path.startswith("/v1/gpt/") for path in ours["paths"])


def first(document):
    return next(iter(next(iter(document["paths"].values())).values()))


def many(document):
    item = next(iter(document["paths"].values()))
    for i in range(31):
        other = copy.deepcopy(item)
        next(iter(other.values()))["operationId"] = f"other{i}"
        document["paths"][f"/v1/gpt/other{i}"] = other


def posted(document):
    path, item = next(iter(document["paths"].items()))
    document["paths"][path] = {"post": item["get"]}


MUTATIONS = {
    "another version": (lambda d: d.update(openapi="2.0"), "OpenAPI 3.0 or 3.1"),
    "plain http": (lambda d: d.update(servers=[{"url": "http://x.example"}]), "one server, by https"),
    "two servers": (lambda d: d["servers"].append({"url": "https://y.example"}), "one server, by https"),
    "no server": (lambda d: d.pop("servers"), "one server, by https"),
    "two ways in": (
        lambda d: d["components"]["securitySchemes"].update(more={"type": "http", "scheme": "basic"}),
        "one way to sign in",
    ),
    "a key in the query": (
        lambda d: d["components"].update(securitySchemes={"k": {"type": "apiKey", "in": "query", "name": "k"}}),
        "a key in the head, or OAuth",
    ),
    "too long": (lambda d: d["info"].update(description="x" * 100_000), "under 100,000 characters"),
    "too many": (many, "at most 30 operations"),
    "no id": (lambda d: first(d).pop("operationId"), "an id of letters, digits, _ and -, at most 64"),
    "an id with a dot": (lambda d: first(d).update(operationId="a.b"), "an id of letters, digits, _ and -, at most 64"),
    "a long id": (lambda d: first(d).update(operationId="x" * 65), "an id of letters, digits, _ and -, at most 64"),
    "an id twice": (
        lambda d: [one.update(operationId="same") for item in d["paths"].values() for one in item.values()],
        "each id once",
    ),
    "no words": (lambda d: first(d).update(summary="", description=""), "a summary or a description"),
    "a long summary": (
        lambda d: first(d).update(summary="x" * 301),
        "summary and description of at most 300 characters",
    ),
    "a long description": (
        lambda d: first(d).update(description="x" * 301),
        "summary and description of at most 300 characters",
    ),
    "a long description of a parameter": (
        lambda d: first(d)["parameters"][0].update(description="x" * 701),
        "descriptions of parameters of at most 700 characters",
    ),
    "a header": (lambda d: first(d)["parameters"][0].update({"in": "header"}), "no headers of its own, no cookies"),
    "an object as a parameter": (
        lambda d: first(d)["parameters"][0].update(schema={"type": "object"}),
        "flat parameters",
    ),
    "a write that is none": (posted, "what changes anything is consequential"),
    "unsaid consequences": (lambda d: first(d).pop("x-openai-isConsequential"), "says whether it is consequential"),
    "a picture": (lambda d: first(d)["responses"]["200"].update(content={"image/png": {}}), "JSON answers"),
    "a reference elsewhere": (
        lambda d: d["components"]["schemas"].update(X={"$ref": "https://x.example/y.json"}),
        "references into the document only",
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_validator_refuses_what_the_builder_refuses(ours, name):
    change, told = MUTATIONS[name]
    broken = copy.deepcopy(ours)
    change(broken)
    assert told in list(faults(broken))
