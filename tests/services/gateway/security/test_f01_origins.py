"""Finding 1: any page of the web could ask with the visitor's cookies, and origins were compared by their parts."""

import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from services.gateway.perimeter.perimeter import Rules
from services.gateway.settings import Settings
from tests.services.gateway.perimeter.walled import client

OURS = "https://app.desk.example"


def test_f01_star_with_credentials_does_not_start():
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CSX_")}
    environ |= {"CSX_GATEWAY_ALLOWED_ORIGINS": "*", "CSX_GATEWAY_CREDENTIALS": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "services.gateway"], env=environ, capture_output=True, text=True, timeout=40, check=False
    )
    assert done.returncode == 3
    assert "CSX_GATEWAY_CREDENTIALS" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "origin",
    [
        f"{OURS}.evil.example",
        "https://evil.example/app.desk.example",
        "https://app.desk.example.",
        "https://xapp.desk.example",
        "https://app.desk.example@evil.example",
        "https://app-desk.example",
        "https://appxdesk.example",
        "https://app.desk",
        "https://sub.app.desk.example",
        "http://app.desk.example",
        "https://app.desk.example:444",
        "https://app.desk.example:443",
        "//app.desk.example",
        "app.desk.example",
        "null",
        "https://evil.example?https://app.desk.example",
        "https://evil.example#https://app.desk.example",
        "https://app.desk.example evil.example",
        "file://",
        "https://xn--app-desk.example",
    ],
)
async def test_f01_an_origin_that_contains_ours_is_foreign(origin):
    async with client(Rules(origins=frozenset({OURS}), credentials=True)) as one:
        changed = await one.post("/", headers={"Origin": origin}, json={})
        read = await one.get("/", headers={"Origin": origin})
        known = await one.post("/", headers={"Origin": OURS}, json={})
    assert (changed.status_code, changed.json()["code"]) == (403, "origin_not_allowed")
    for answer in (changed, read):
        assert not {name for name in answer.headers if name.startswith("access-control")}
    assert known.headers["access-control-allow-origin"] == OURS


@pytest.mark.parametrize(
    "origin", ["desk.example", "https://desk.example/path", "ftp://desk.example", "https://*.example"]
)
def test_f01_what_is_no_origin_is_refused_at_the_start(origin):
    with pytest.raises(ValidationError, match="is no origin"):
        Settings(allowed_origins=(origin,))


def test_f01_star_alone_is_a_choice():
    assert Settings(allowed_origins=("*",)).rules.origins == {"*"}
    with pytest.raises(ValidationError, match="name the origins"):
        Settings(allowed_origins=("*",), credentials=True)
