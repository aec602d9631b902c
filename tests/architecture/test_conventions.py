"""Conventions nobody has to remember: each one that can be checked is checked here."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from libs.common.bus import topics
from libs.common.runtime.settings import SERVICES, ServiceSettings

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for top in ("services", "libs", "deploy") for path in (ROOT / top).rglob("*.py"))
PRODUCTION = [path for path in SOURCES if path.relative_to(ROOT).parts[0] != "deploy"]
VAGUE = {"utils", "util", "helpers", "helper", "manager", "base", "core", "common_utils", "misc", "v2", "new", "old"}


def _calls(path: Path) -> list[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)]


def test_import_contracts_are_kept():
    """import-linter reads them from pyproject.toml."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", PRODUCTION, ids=lambda path: str(path.relative_to(ROOT)))
def test_services_and_libs_do_not_print_evaluate_or_unpickle(path):
    banned = {"print", "eval", "exec", "pickle.loads", "pickle.load", "marshal.loads", "os.system"}
    assert banned.isdisjoint(_calls(path))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_in_a_sentence_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    if text.strip():
        docstring = ast.get_docstring(ast.parse(text))
        assert docstring, "no module docstring"
        assert docstring.splitlines()[0].rstrip().endswith((".", "?", ":", ";")) or len(docstring.splitlines()) > 1


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_has_a_name_that_says_nothing_and_none_is_two_ideas_long(path):
    assert path.stem not in VAGUE
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_the_clock_is_read_in_one_place():
    """Everything else takes time as an argument, or asks `libs.common.runtime.clock`."""
    readers = [
        str(path.relative_to(ROOT))
        for path in PRODUCTION
        if {
            "time.time",
            "time.time_ns",
            "datetime.now",
            "dt.datetime.now",
            "datetime.datetime.now",
            "dt.datetime.utcnow",
        }
        & set(_calls(path))
    ]
    assert readers == ["libs/common/runtime/clock.py"]


def test_every_topic_has_its_line_in_the_architecture_page():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for topic in topics.TOPICS:
        domain, rejects, _ = topic.name.split(".")
        assert topic.name in page or (rejects == "rejects" and "<domain>.rejects.v1" in page), (domain, topic.name)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_same_anatomy_as_its_siblings(service):
    folder = ROOT / "services" / service
    for name in ("__main__.py", "app.py", "settings.py", "cli.py", "metrics.py"):
        assert (folder / name).is_file(), f"{service} has no {name}"


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_says_what_it_is_and_is_in_the_operations_page(service):
    kind = importlib.import_module(f"services.{service}.settings").Settings
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    prefix = kind.model_config["env_prefix"]
    for name, field in kind.model_fields.items():
        key = f"CSX_{name.upper()}" if name in ServiceSettings.model_fields else f"{prefix}{name.upper()}"
        assert field.description, f"{key} has no description"
        assert f"`{key}`" in page, f"{key} is not in docs/operations.md"


def test_internal_links_of_the_documents_lead_somewhere():
    import re

    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"
