"""S-07: nobody makes our machines post into our own network; the literals are the usual ways around a check."""

import pytest

from services.gateway.alerting.reaching import check_address
from services.gateway.problems import Problem

PRIVATE = (
    "http://hooks.example.com/in",
    "https://127.0.0.1/in",
    "https://localhost/in",
    "https://localhost.localdomain./in",
    "https://10.0.0.7/in",
    "https://172.16.0.1/in",
    "https://192.168.1.1/in",
    "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/in",
    "https://0.0.0.0/in",
    "https://[::1]/in",
    "https://[::]/in",
    "https://[fe80::1]/in",
    "https://[fd00:ec2::254]/in",
    "https://[::ffff:127.0.0.1]/in",
    "https://[::ffff:7f00:1]/in",
    "https://[64:ff9b::7f00:1]/in",
    "https://2130706433/in",  # 127.0.0.1 in one number
    "https://0x7f000001/in",
    "https://0177.0.0.1/in",  # octal
    "https://127.1/in",
    "https://0x7f.0.0.1/in",
    "https://hooks.example.com:8443/in",
    "https://hooks.example.com:80/in",
    "https://user@hooks.example.com/in",
    "https://hooks.example.com@127.0.0.1/in",
    "https://user:secret@127.0.0.1/in",
    "https://127.0.0.1#@hooks.example.com/in",
    "https://hooks.example.com\\@127.0.0.1/in",
    "https://metadata.google.internal/in",
    "https://printer.local/in",
    "https://intranet/in",
    "https://127。0。0。1/in",  # (ideographic full stops: some readers take them for dots)
    "https://ⓛocalhost/in",
    "https://127.0.0.1%2f@hooks.example.com/in",
    "https:///in",
    "ftp://hooks.example.com/in",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "javascript:alert(1)",
    "//hooks.example.com/in",
    " https://hooks.example.com/in",
    "https://hooks.example.com/in\r\nX-Evil: 1",
)


@pytest.mark.parametrize("url", PRIVATE)
def test_a_webhook_into_our_own_network_is_refused(url):
    with pytest.raises(Problem) as caught:
        check_address("webhook", url)
    assert (caught.value.status, caught.value.code) == (422, "invalid_body")
    assert caught.value.errors[0].field == "recipient"


@pytest.mark.parametrize(
    "url", ["https://hooks.example.com/in", "https://hooks.example.com:443/in?a=b", "https://93.184.216.34/in"]
)
def test_a_webhook_of_the_public_internet_is_taken(url):
    check_address("webhook", url)


@pytest.mark.parametrize("chat", ["", "0", "@channel", "1e3", "12 3", "-", "--1", "1" * 20, "١٢٣"])
def test_what_is_no_chat_is_refused(chat):
    with pytest.raises(Problem, match="no chat id"):
        check_address("telegram", chat)


@pytest.mark.parametrize("chat", ["1001", "-1001234567890"])
def test_chats_and_groups_are_taken(chat):
    check_address("telegram", chat)


def test_there_is_no_other_channel():
    with pytest.raises(Problem, match="must be one of telegram, webhook"):
        check_address("mail", "a@example.com")
