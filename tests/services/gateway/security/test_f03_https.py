"""Finding 3: keys and cookies travelled in the clear."""

import datetime as dt
import ssl

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from deploy.local.children import free_port
from libs.common.runtime.process import Process
from services.gateway.perimeter.perimeter import Perimeter, Rules
from services.gateway.perimeter.transport import Transport
from services.gateway.server import serve
from services.gateway.settings import Settings
from tests.services.gateway.perimeter.walled import client, echo

PROXIED = Rules(transport=Transport.PROXY, proxies=("10.0.0.0/24",))
CLEAR, SECURE = {"X-Forwarded-Proto": "http"}, {"X-Forwarded-Proto": "https"}


async def test_f03_http_behind_a_proxy_is_redirected_and_https_has_hsts():
    async with client(PROXIED, peer="10.0.0.5") as one:
        for head in (CLEAR, {}):
            moved = await one.get("/v1/markets?a=b%20c", headers=head)
            assert moved.status_code == 308
            assert moved.headers["location"] == "https://desk.example/v1/markets?a=b%20c"
            assert "strict-transport-security" not in moved.headers
        asked = await one.get("/v1/markets", headers=SECURE)
        assert asked.status_code == 200
        assert asked.headers["strict-transport-security"] == "max-age=31536000"
        ours = await one.get("/", headers={"X-Forwarded-Proto": "http, https"})  # the proxy next to us writes last
        assert ours.status_code == 200
        theirs = await one.get("/", headers={"X-Forwarded-Proto": "https, http"})
        assert theirs.status_code == 308


async def test_f03_a_change_in_the_clear_is_refused_and_a_probe_is_answered():
    async with client(PROXIED, peer="10.0.0.5") as one:
        answer = await one.post("/v1/keys", headers=CLEAR, json={})
        assert (answer.status_code, answer.json()["code"]) == (403, "https_required")
        assert (await one.get("/livez")).status_code == 200
        assert (await one.get("/readyz")).status_code == 200


async def test_f03_a_stranger_cannot_say_that_https_was_spoken():
    async with client(PROXIED, peer="203.0.113.9") as one:
        assert (await one.get("/", headers=SECURE)).status_code == 308


async def test_f03_a_page_in_the_clear_is_another_origin_than_ours_over_https():
    async with client(PROXIED, peer="10.0.0.5") as one:
        clear = await one.post("/", headers=SECURE | {"Origin": "http://desk.example"}, json={})
        secure = await one.post("/", headers=SECURE | {"Origin": "https://desk.example"}, json={})
    assert (clear.status_code, secure.status_code) == (403, 200)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"host": "0.0.0.0"}, "plain HTTP in production"),
        ({"host": "0.0.0.0", "allowed_hosts": ("desk.example",)}, "plain HTTP in production"),
        ({"host": "0.0.0.0", "allowed_hosts": ("localhost", "desk.example")}, "plain HTTP in production"),
        ({"transport": "proxy"}, "name the proxy"),
        ({"transport": "proxy", "trusted_proxies": ("0.0.0.0/0",)}, "would trust whoever"),
        ({"transport": "proxy", "trusted_proxies": ("::/0",)}, "would trust whoever"),
        ({"transport": "proxy", "trusted_proxies": ("10.0.0.1/24",)}, "is no network"),
        ({"transport": "tls"}, "CSX_GATEWAY_TLS_CERT"),
    ],
)
def test_f03_production_does_not_start_where_secrets_would_travel_in_the_clear(changes, words):
    with pytest.raises(ValidationError, match=words):
        Settings(environment="production", **changes)


async def test_f03_tls_is_spoken_by_ourselves(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, secret = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    settings = Settings(transport=Transport.TLS, tls_cert=cert, tls_key=secret)
    app, port = Perimeter(echo, settings.rules), free_port()
    stop = await serve(app, "127.0.0.1", port, Process("gateway", settings), tls=settings.tls)
    try:
        async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=str(cert))) as one:
            answer = await one.get(f"https://localhost:{port}/livez")
        assert answer.json()["address"] == "127.0.0.1"
        assert answer.headers["strict-transport-security"]
    finally:
        await stop()
