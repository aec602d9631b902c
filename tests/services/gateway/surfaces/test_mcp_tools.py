"""The official client of the Model Context Protocol on a real port: it lists and calls every tool."""

import json
from typing import Any

import httpx
import httpx2
import pytest
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client

from services.gateway.access.keys import mint
from services.gateway.access.scopes import Scope
from services.gateway.contracts.tools import tools
from services.gateway.operations.catalogue import OPERATIONS
from services.gateway.surfaces.application import build
from tests.services.gateway.operations.scenes import SCENES

READS = tools(OPERATIONS, writes=False)


async def speak(address, headers, work):
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        streamable_http_client(f"http://{address}/mcp", http_client=http) as (read, write),
        ClientSession(read, write) as session,
    ):
        told = await session.initialize()
        assert told.server_info.name == "cryptosatx"
        return await work(session)


async def listed(session):
    return {tool.name: tool for tool in (await session.list_tools()).tools}


async def test_every_tool_is_listed_with_its_words_and_arguments(address, everything):
    found = await speak(address, everything, listed)
    assert set(found) == set(READS)
    for name, tool in found.items():
        assert tool.description
        assert tool.annotations.read_only_hint is True
        assert tool.input_schema["type"] == "object"
        assert set(READS[name].example.params) <= set(tool.input_schema["properties"])


async def test_tools_that_the_key_may_not_use_are_not_shown(gateway, address):
    key = mint("markets alone", [Scope.MARKET])
    await gateway.store.add_key(key.row)
    found = await speak(address, {"Authorization": f"Bearer {key.text}"}, listed)
    assert set(found) == {name for name, one in READS.items() if one.scope in {Scope.MARKET, Scope.PUBLIC}}
    assert "signals_list" in set(READS) - set(found)


@pytest.mark.parametrize("scene", sorted({one.example.given for one in READS.values()}))
async def test_every_tool_answers_its_example(gateway, make, address, everything, scene):
    await SCENES[scene](gateway, make)
    mine = {name: one for name, one in READS.items() if one.example.given == scene}

    async def work(session):
        return {name: await session.call_tool(name, one.example.params) for name, one in mine.items()}

    results = await speak(address, everything, work)
    assert {name: result.content for name, result in results.items() if result.is_error} == {}
    for result in results.values():
        assert isinstance(result.structured_content, dict)
        assert json.loads(result.content[0].text) == result.structured_content


def test_what_writes_or_tells_secrets_is_no_tool_by_itself():
    assert not [name for name, one in READS.items() if one.writes or one.secret_reply]
    more = tools(OPERATIONS, writes=True)
    assert any(one.writes for one in more.values())
    assert not [name for name, one in more.items() if one.secret_reply]


async def test_a_fault_is_a_result_that_says_what_is_wrong(gateway, address):
    async def work(session):
        return await session.call_tool("markets_book", {"symbol": "NO-SUCH", "depth": "two"})

    result = await speak(address, gateway.headers, work)
    assert result.is_error
    assert result.structured_content["code"] == "invalid_body"
    assert result.structured_content["errors"][0]["field"] == "depth"


async def test_nobody_is_told_anything(address):
    async with httpx2.AsyncClient() as http:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        for sent in (body, {}, {"jsonrpc": "2.0", "id": 1, "method": "initialize"}):
            reply = await http.post(f"http://{address}/mcp", json=sent)
            assert (reply.status_code, reply.json()["code"]) == (401, "unauthenticated")
        assert (await http.get(f"http://{address}/mcp")).status_code == 405


async def test_tools_write_where_the_settings_say_so_and_once(gateway, make, everything):
    await SCENES["rule"](gateway, make)
    app: Any = build(gateway.desk, guard=gateway.guard, sessions=gateway.desk.sessions, mcp_writes=True)
    wanted = tools(OPERATIONS, writes=True)["alerts_rules_create"].example.params
    headers = {**everything, "accept": "application/json, text/event-stream"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as client:

        async def made(**more):
            params = {"name": "alerts_rules_create", "arguments": {**wanted, **more}}
            call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
            return (await client.post("/mcp", json=call)).json()["result"]

        first, again = await made(client_request_id="t-1"), await made(client_request_id="t-1")
        other, bad = await made(client_request_id="t-2"), await made(client_request_id="a b")
    assert not first["isError"], first
    rules = [one["structuredContent"]["rule_id"] for one in (first, again, other)]
    assert rules[0] == rules[1] != rules[2]
    assert bad["isError"]
