"""Operations over HTTP: tags and what did not change, heads, ends of operations, files that break, and what is sent."""

from typing import Annotated

import httpx
import pytest
from litestar import Litestar
from msgspec import Meta, Struct

from deploy.local.children import free_port
from libs.common.runtime.process import Process
from services.gateway.access.guard import Guard
from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Desk
from services.gateway.operations.operation import Download, Example, Freshness, Nothing, Operation
from services.gateway.perimeter.perimeter import Perimeter
from services.gateway.server import serve
from services.gateway.settings import Settings
from services.gateway.surfaces.replies import tag
from services.gateway.surfaces.rest import handlers

Word = Annotated[str, Meta(max_length=9)]


class Wanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the operations of these tests take."""

    thing: Word
    words: Annotated[list[Word], Meta(max_length=3)] = []
    number: int = 1


class Said(Struct, frozen=True):
    """What they answer: what they were given."""

    thing: str
    words: list[str]
    number: int


async def say(_desk, _caller, wanted):
    return Said(wanted.thing, wanted.words, wanted.number)


async def nothing(_desk, caller, _wanted):
    caller.cookies += ["a=1", "b=2"]


async def rows(*, whole):
    yield b"one\n"
    if not whole:
        raise OSError("gone")
    yield b"two\n"


async def whole(_desk, _caller, _wanted):
    return Download("text/csv", "rows.csv", rows(whole=True))


async def broken(_desk, _caller, _wanted):
    return Download("text/csv", "rows.csv", rows(whole=False))


def operation(name, method, path, read, answer=Said, params=Wanted, **more):
    return Operation(
        name=name,
        method=method,
        path=path,
        params=params,
        answer=answer,
        read=read,
        scope=Scope.PUBLIC,
        summary=name,
        detail=name,
        tag="test",
        example=Example({}),
        **more,
    )


SECOND = 1_000_000_000
OPERATIONS = (
    operation("things.get", "GET", "/v1/things/{thing}", say),
    operation("things.put", "PUT", "/v1/things/{thing}", say, status=201),
    operation("things.delete", "DELETE", "/v1/things/{thing}", nothing, answer=None),
    operation("things.fresh", "GET", "/v1/fresh/{thing}", say, freshness=Freshness(60.0)),
    operation(
        "things.old",
        "GET",
        "/v1/old/{thing}",
        say,
        deprecated_ns=1_688_169_599 * SECOND,
        sunset_ns=1_704_067_200 * SECOND,
    ),
    operation("files.whole", "GET", "/v1/whole", whole, answer=Download, params=Nothing),
    operation("files.broken", "GET", "/v1/broken", broken, answer=Download, params=Nothing),
)


@pytest.fixture
def app():
    desk = Desk(store=None, latest=None, board=None, faults=None)  # type: ignore[arg-type]  # nothing here asks them
    app = Litestar(route_handlers=handlers(OPERATIONS, desk, Guard()), openapi_config=None, logging_config=None)
    return Perimeter(app)


@pytest.fixture
async def http(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client:
        yield client


async def test_an_answer_has_the_tag_of_its_bytes_and_is_not_sent_twice(http):
    answer = await http.get("/v1/things/a")
    etag = answer.headers["etag"]
    assert etag == tag(answer.content)
    assert answer.headers["cache-control"] == "private, no-cache"
    for sent in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await http.get("/v1/things/a", headers={"If-None-Match": sent})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
        assert "content-type" not in again.headers
    for sent in ('"other"', etag.strip('"'), ""):
        assert (await http.get("/v1/things/a", headers={"If-None-Match": sent})).status_code == 200
    assert (await http.get("/v1/things/b")).headers["etag"] != etag
    changed = await http.put("/v1/things/a", json={}, headers={"If-None-Match": "*"})
    assert (changed.status_code, changed.headers["cache-control"]) == (201, "no-store")
    assert "etag" not in changed.headers
    assert (await http.get("/v1/fresh/a")).headers["cache-control"] == "private, max-age=60"


async def test_a_head_is_an_answer_without_its_body(http):
    got, head = await http.get("/v1/things/a"), await http.head("/v1/things/a")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(got.content)) == got.headers["content-length"]
    assert head.headers["etag"] == got.headers["etag"]
    bad = await http.head("/v1/things/a?x=1")
    assert (bad.status_code, bad.content) == (400, b"")


async def test_the_end_of_an_operation_is_announced(http):
    answer = await http.get("/v1/old/a")
    assert answer.headers["deprecation"] == "@1688169599"  # the example of RFC 9745
    assert answer.headers["sunset"] == "Mon, 01 Jan 2024 00:00:00 GMT"
    assert 'rel="deprecation"' in answer.headers["link"]
    assert "deprecation" not in (await http.get("/v1/things/a")).headers


async def test_nothing_is_204_and_cookies_are_set_one_by_one(http):
    answer = await http.delete("/v1/things/a")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-type" not in answer.headers
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]


async def test_a_file_comes_whole_or_visibly_not(http, app):
    answer = await http.get("/v1/whole")
    assert answer.content == b"one\ntwo\n"
    assert answer.headers["content-disposition"] == 'attachment; filename="rows.csv"'
    assert answer.headers["content-type"] == "text/csv"
    port = free_port()
    stop = await serve(app, "127.0.0.1", port, Process("gateway", Settings()))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.get("/v1/whole")).content == b"one\ntwo\n"
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/v1/broken")
    await stop()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/v1/things/a", {"thing": "a", "words": [], "number": 1}),
        ("/v1/things/a?words=x&words=y&number=7", {"thing": "a", "words": ["x", "y"], "number": 7}),
        ("/v1/things/a%20b?words=%C3%BC", {"thing": "a b", "words": ["ü"], "number": 1}),
    ],
)
async def test_a_query_is_read_by_types(http, url, said):
    assert (await http.get(url)).json() == said


@pytest.mark.parametrize(
    ("url", "code", "field"),
    [
        ("/v1/things/a?number=1&number=2", "invalid_parameter", "number"),
        ("/v1/things/a?number=", "invalid_parameter", "number"),
        ("/v1/things/a?number=1.5", "invalid_parameter", "number"),
        ("/v1/things/a?thing=b", "unknown_parameter", "thing"),
        ("/v1/things/a?words=1&words=2&words=3&words=4", "invalid_parameter", "words"),
        ("/v1/things/a?words=0123456789", "invalid_parameter", "words[0]"),
        ("/v1/things/0123456789", "invalid_parameter", "thing"),
        ("/v1/things/a?words=%00", "invalid_parameter", "words"),
    ],
)
async def test_a_query_that_does_not_fit_is_400(http, url, code, field):
    body = (await http.get(url)).json()
    assert (body["status"], body["code"], body["errors"][0]["field"]) == (400, code, field)


@pytest.mark.parametrize(
    ("sent", "status", "code", "field"),
    [
        (b'{"number": "1"}', 422, "invalid_body", "number"),
        (b'{"words": ["a", 5]}', 422, "invalid_body", "words[1]"),
        (b'{"nothing": 1}', 422, "unknown_field", "nothing"),
        (b'{"thing": "b"}', 422, "unknown_field", "thing"),
        (b"[]", 422, "invalid_body", "body"),
        (b"null", 422, "invalid_body", "body"),
        (b"{", 400, "bad_request", None),
        (b'{"words": ["\xff"]}', 400, "bad_request", None),
        (b'{"words": ["\\u0000"]}', 422, "invalid_body", "words"),
    ],
)
async def test_a_body_that_does_not_fit_names_its_field(http, sent, status, code, field):
    answer = await http.put("/v1/things/a", content=sent, headers={"Content-Type": "application/json"})
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code)
    assert [one["field"] for one in body["errors"]] == ([field] if field else [])


async def test_what_is_no_json_or_has_a_query_beside_its_body_is_refused(http):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        answer = await http.put("/v1/things/a", content=b"{}", headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    for kind in ("application/json", "Application/JSON; charset=utf-8"):
        answer = await http.put("/v1/things/a", content=b"{}", headers={"Content-Type": kind})
        assert answer.status_code == 201
    assert (await http.put("/v1/things/a")).status_code == 201  # no body is an empty object
    beside = await http.put("/v1/things/a?number=1", json={})
    assert (beside.status_code, beside.json()["code"]) == (400, "unknown_parameter")
    path = await http.put("/v1/things/0123456789", json={})
    assert (path.status_code, path.json()["code"]) == (400, "invalid_parameter")
