"""Which URLs we may be sent to by others: a table of hostile ones, and names that change their address."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.runtime.addresses import Forbidden, Rules, addresses, fault_of, read

PUBLIC = Rules()
WIDE = Rules(ports=frozenset({80, 443, 8443}), private=True)

HOSTILE = [
    # another scheme
    "http://example.com/",
    "HTTP://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "//example.com/",
    "example.com",
    "",
    "https:example.com",
    "https:/example.com",
    "https:///example.com",
    "https://",
    # user info, and what looks like it
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com:443@127.0.0.1/",
    "https://127.0.0.1\\@example.com/",
    "https://example.com\\.evil.com/",
    "https://example.com#@127.0.0.1/",
    "https://example.com/#fragment",
    "https://example.com?x=1",
    # ports
    "https://example.com:22/",
    "https://example.com:80/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:99999/",
    "https://example.com:/",
    "https://example.com:+443/",
    "https://example.com:443:443/",
    "https://example.com:\uff14\uff14\uff13/",
    # this machine and its neighbours
    "https://localhost/",
    "https://LOCALHOST/",
    "https://a.localhost/",
    "https://localhost.localdomain.local/",
    "https://printer.local/",
    "https://metadata.google.internal/",
    "https://intranet/",
    "https://router.lan/",
    "https://nas.home.arpa/",
    "https://127.0.0.1/",
    "https://127.255.255.254/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://100.100.100.200/",
    "https://168.63.129.16/",
    "https://192.0.0.192/",
    "https://192.0.2.1/",
    "https://192.88.99.1/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    # the same in disguise
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0X7F.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.0.0.01/",
    "https://1.2.3.4.5/",
    "https://127.0.0.1./",
    "https://127.0.0.0x1/",
    "https://999.1.1.1/",
    "https://\u2460\u2461\u2466.0.0.1/",
    "https://127\u30020\u30020\u30021/",
    "https://\uff11\uff12\uff17.0.0.1/",
    "https://%31%32%37.0.0.1/",
    "https://127%2e0.0.1/",
    # version 6
    "https://[::1]/",
    "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[64:ff9b:1::a00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:808:808::]/",
    "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "https://[2001:db8::1]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[2606:4700::1111%25lo]/",
    "https://[fec0::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[ff02::1]/",
    "https://[100::1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[1::2::3]/",
    "https://[]/",
    "https://[127.0.0.1]/",
    "https://[::1/",
    "https://::1/",
    "https://[v1.x]/",
    # characters
    "https://example.com\r\nHost: x/",
    "https://example.com/\r\nX-Injected: 1",
    "https://example.com/a b",
    "https://exa mple.com/",
    "https://example.com/\x00",
    "https://exam\tple.com/",
    " https://example.com/",
    "https://example.com/ ",
    "https://example.com/\n",
    "\x00https://example.com/",
    "https://example\u3002com/",
    "https://\u0435xample.com/",
    "https://example.com/\u00e9",
    "https://ex%61mple.com/",
    "https://example.com./",
    "https://.example.com/",
    "https://example..com/",
    "https://-example.com/",
    "https://example-.com/",
    "https://exa_mple.com/",
    f"https://{'a' * 64}.com/",
    f"https://{'a.' * 130}com/",
    f"https://example.com/{'a' * 2100}",
]


@pytest.mark.parametrize("url", HOSTILE, ids=ascii)
def test_hostile_urls_are_refused_before_any_name_is_resolved(url):
    with pytest.raises(Forbidden):
        read(url, PUBLIC)


def test_the_table_is_long_and_says_nothing_twice():
    assert len(HOSTILE) == len(set(HOSTILE)) >= 120


@pytest.mark.parametrize(
    ("url", "host", "authority", "path"),
    [
        ("https://example.com", "example.com", "example.com", "/"),
        ("HTTPS://EXAMPLE.com/", "example.com", "example.com", "/"),
        ("https://example.com:443/a?b=c", "example.com", "example.com", "/a?b=c"),
        ("https://xn--bcher-kva.example.com/x%20y", "xn--bcher-kva.example.com", "xn--bcher-kva.example.com", "/x%20y"),
        ("https://example.com/@x", "example.com", "example.com", "/@x"),
        ("https://8.8.8.8/", "8.8.8.8", "8.8.8.8", "/"),
        ("https://[2606:4700:0:0::1111]/", "2606:4700::1111", "[2606:4700::1111]", "/"),
        ("https://[64:ff9b::8.8.8.8]/", "64:ff9b::808:808", "[64:ff9b::808:808]", "/"),
    ],
)
def test_plain_ones_are_read(url, host, authority, path):
    target = read(url, PUBLIC)
    assert (target.scheme, target.host, target.authority, target.path) == ("https", host, authority, path)


def test_ports_are_a_list():
    assert read("https://example.com:8443/", Rules(ports=frozenset({443, 8443}))).authority == "example.com:8443"
    assert read("http://10.0.0.1:80/x", WIDE).at("10.0.0.1") == "http://10.0.0.1:80/x"
    assert read("https://[::1]:8443/x", WIDE).at("::1") == "https://[::1]:8443/x"


@pytest.mark.parametrize(
    "url",
    ["https://169.254.169.254/", "https://[fe80::1]/", "https://[fd00:ec2::254]/", "https://168.63.129.16/",
     "https://0.0.0.0/", "https://[::ffff:169.254.169.254]/", "https://[ff02::1]/", "ftp://localhost:80/"],
)  # fmt: skip
def test_metadata_is_refused_even_where_private_addresses_are_not(url):
    with pytest.raises(Forbidden):
        read(url, WIDE)


async def test_one_private_address_among_public_ones_refuses_all():
    async def resolve(_name: str, _port: int) -> list[str]:
        return ["93.184.215.14", "10.0.0.1"]

    with pytest.raises(Forbidden, match=r"10\.0\.0\.1"):
        await addresses(read("https://example.com/", PUBLIC), PUBLIC, resolve)


@pytest.mark.parametrize("answer", ["fe80::1%eth0", "2606:4700::1111%lo", "nonsense", "::ffff:10.0.0.1", "127.0.0.1"])
async def test_what_a_resolver_says_is_checked_like_what_a_url_says(answer):
    async def resolve(_name: str, _port: int) -> list[str]:
        return [answer]

    with pytest.raises(Forbidden):
        await addresses(read("https://example.com/", PUBLIC), PUBLIC, resolve)


async def test_a_name_without_an_address():
    async def resolve(_name: str, _port: int) -> list[str]:
        return []

    with pytest.raises(OSError, match="no address"):
        await addresses(read("https://example.com/", PUBLIC), PUBLIC, resolve)


@given(st.ip_addresses(v=4))
def test_an_address_in_a_carrier_is_judged_as_itself(inner):
    plain = fault_of(str(inner), PUBLIC) is None
    for prefix in ("::ffff:0:0", "64:ff9b::"):
        carried = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(inner))
        assert (fault_of(str(carried), PUBLIC) is None) == plain


@given(st.ip_addresses())
def test_only_what_the_library_calls_global_is_allowed(address):
    if fault_of(str(address), PUBLIC) is None:
        assert address.is_global or (address.version == 6 and address in ipaddress.ip_network("64:ff9b::/96")) or (
            address.version == 6 and address.ipv4_mapped is not None
        )  # fmt: skip
        assert not address.is_multicast


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text):
    for url in (text, f"https://{text}", f"https://{text}/", f"https://a.com/{text}", f"https://[{text}]/"):
        try:
            target = read(url, PUBLIC)
        except Forbidden:
            continue
        assert target.authority.isascii()
        assert target.path.isascii()
        assert target.path.startswith("/")
