"""Finding 20: what is served today keeps what the documents in docs/contracts promise; `make contracts` renews them."""

import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from services.gateway.cli import app
from services.gateway.commands.documents import DOCUMENTS, kept
from services.gateway.contracts.compatibility import breaking_changes

FOLDER = Path(__file__).parents[4] / "docs" / "contracts"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_f20_todays_documents_keep_what_was_promised(name):
    promised = json.loads((FOLDER / f"{name}.json").read_bytes())
    served = json.loads(msgspec.json.encode(DOCUMENTS[name]()))
    assert [str(one) for one in breaking_changes(promised, served)] == [], "run `make contracts` for what is additive"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_kept_is_the_document(name):
    assert json.loads(kept(DOCUMENTS[name]())) == json.loads(msgspec.json.encode(DOCUMENTS[name]()))


def test_a_broken_promise_fails_and_is_named(tmp_path):
    old = DOCUMENTS["openapi"]()
    old["paths"]["/v1/lost"] = {"get": {"operationId": "lost", "responses": {}}}
    path = tmp_path / "openapi.json"
    path.write_bytes(kept(old))
    told = CliRunner().invoke(app, ["openapi", "--check", str(path)])
    assert told.exit_code == 1
    assert "GET /v1/lost: is gone" in str(told.exception)
    renewed = CliRunner().invoke(app, ["contracts", str(tmp_path)])
    assert renewed.exit_code == 1
    assert CliRunner().invoke(app, ["contracts", str(tmp_path), "--breaking"]).exit_code == 0
    assert CliRunner().invoke(app, ["openapi", "--check", str(path)]).exit_code == 0


def test_an_unreadable_promise_is_said(tmp_path):
    told = CliRunner().invoke(app, ["gpt", "--check", str(tmp_path / "none.json")])
    assert "cannot be read" in str(told.exception)


def test_documents_are_printed_for_an_address():
    told = CliRunner().invoke(app, ["gpt", "--server", "https://desk.example"])
    assert json.loads(told.stdout)["servers"] == [{"url": "https://desk.example"}]
