"""F5: no file of the repository holds a secret: what secrets look like, held against every file that git knows."""

import re
import subprocess
from pathlib import Path

import pytest

from services.gateway.access.keys import mint, well_formed

ROOT = Path(__file__).resolve().parents[4]
PATTERNS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{32}",
    "a bot's token": r"\b[0-9]{8,10}:[A-Za-z0-9_-]{35}\b",
    "an AWS key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
    "an OpenAI key": r"\bsk-(?:proj-)?[A-Za-z0-9]{32,}\b",
    "a Slack token": r"\bxox[abprs]-[0-9A-Za-z-]{10,}\b",
    "a Google key": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "a signed token": r"\beyJ[A-Za-z0-9_-]{16,}\.eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{32,}",
    "a password in an address": r"(?:postgres(?:ql)?|redis|amqp|mongodb)://[^\s:/@{}$<]+:(?!password\b|pw\b|secret\b|hunter2)"
    r"[^\s/@{}$<*]{8,}@(?!127\.|localhost)",
}
SAMPLES = {
    "a private key": "-----BEGIN PRIVATE KEY-----\n" + "A" * 40,
    "a bot's token": "123456789:" + "A" * 35,
    "an AWS key": "AKIA" + "A" * 16,
    "a GitHub token": "ghp_" + "a" * 36,
    "an OpenAI key": "sk-" + "a" * 40,
    "a Slack token": "xoxb-" + "1" * 12,
    "a Google key": "AIza" + "a" * 35,
    "a signed token": ".".join(["eyJ" + "a" * 20, "eyJ" + "b" * 20, "c" * 40]),
    "a password in an address": "postgresql://csx:" + "x" * 12 + "@db.example/csx",
}
OUR_KEY = re.compile(r"csx_(?:live|test)_[A-Za-z0-9]{10}_[A-Za-z0-9]{49}")


def files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no work tree of git")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("kind", sorted(PATTERNS))
def test_the_pattern_finds_what_it_is_for(kind):
    assert re.search(PATTERNS[kind], SAMPLES[kind])


def test_no_file_holds_a_secret():
    patterns = {kind: re.compile(pattern.encode()) for kind, pattern in PATTERNS.items()}
    found = [
        f"{path.relative_to(ROOT)}: {kind}: {match[0][:24]!r}"
        for path in files()
        for kind, pattern in patterns.items()
        for match in pattern.finditer(path.read_bytes())
    ]
    assert not found, "\n".join(found)


def test_no_file_holds_a_key_of_ours():
    assert OUR_KEY.fullmatch(mint("desk").text)
    found = [
        str(path.relative_to(ROOT))
        for path in files()
        for text in OUR_KEY.findall(path.read_bytes().decode("utf-8", "replace"))
        if well_formed(text)
    ]
    assert found == []


def test_files_of_secrets_are_not_kept():
    kept = [path.name for path in files() if path.name == ".env" or path.suffix in {".pem", ".key", ".p12", ".pfx"}]
    assert kept == []
