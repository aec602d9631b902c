"""Settings of signing in: keys in any form that an environment can hold, addresses that nobody reads along with."""

import pytest
from pydantic import SecretStr

from libs.common.runtime.settings import load
from services.gateway.access.checking import keys_fault, url_fault
from services.gateway.access.fetching import Fetcher
from services.gateway.access.seals import elsewhere_of, seals_of
from services.gateway.access.signing import SigningKeys, new_key
from services.gateway.perimeter.transport import Transport
from services.gateway.settings import Settings


@pytest.mark.parametrize("join", ["\n", " ", "\\n", "\r\n", ""])
def test_a_key_may_stand_on_one_line_of_an_environment_file(join):
    pem = new_key()
    assert SigningKeys.read(pem.strip().replace("\n", join)).public() == SigningKeys.read(pem).public()


def test_keys_are_needed_in_production_and_right_everywhere():
    assert keys_fault("", production=False) is None
    assert "is missing" in (keys_fault("", production=True) or "")
    assert keys_fault(new_key(), production=True) is None
    assert "PEM" in (keys_fault("secret", production=False) or "")


@pytest.mark.parametrize("url", ["https://desk.example", "https://desk.example:8443/csx", "http://127.0.0.1:8080"])
def test_addresses_that_are_good(url):
    assert url_fault(url, needed=True, plain=True) is None


@pytest.mark.parametrize(
    ("url", "plain", "fault"),
    [
        ("", True, "is missing"),
        ("http://desk.example", True, "must be https"),
        ("http://127.0.0.1:8080", False, "must be https"),
        ("http://127.0.0.1.desk.example", True, "must be https"),
        ("ftp://desk.example", True, "must be https"),
        ("desk.example", True, "is no address"),
        ("https://user:word@desk.example", True, "is no address"),
        ("https://desk.example/?next=x", True, "is no address"),
        ("https://desk.example/#x", True, "is no address"),
        ("https://desk.example\n", True, "is no address"),
        ("https://desk.example:port", True, "is no address"),
        ("https://", True, "is no address"),
    ],
)
def test_addresses_that_are_not(url, plain, fault):
    assert fault in (url_fault(url, needed=True, plain=plain) or "")


def test_cookies_are_bound_to_https_wherever_it_is_spoken():
    secret = SecretStr("s" * 32)
    plain = Settings(secret=secret)
    behind = Settings(
        secret=secret, transport=Transport.PROXY, trusted_proxies=("10.0.0.0/24",), public_url="https://a.example"
    )
    assert not seals_of(plain, plain.secrets).secure
    assert seals_of(behind, behind.secrets).secure
    assert seals_of(behind, behind.secrets).public_url == "https://a.example"


async def test_a_provider_sends_people_back_to_the_public_address(monkeypatch):
    monkeypatch.setenv("CSX_GATEWAY_OIDC_ISSUER", "https://id.example")
    monkeypatch.setenv("CSX_GATEWAY_PUBLIC_URL", "https://a.example/")
    monkeypatch.setenv("CSX_GATEWAY_OIDC_TRADERS", "Desk, Floor")
    settings, fetcher = load(Settings), Fetcher()
    client = elsewhere_of(settings, [b"s" * 32], fetcher).client
    assert (client.issuer, client.redirect_uri) == ("https://id.example", "https://a.example/v1/auth/oidc/callback")
    assert settings.oidc_traders == ("Desk", "Floor")
    await fetcher.stop()
