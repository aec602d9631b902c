"""Ports are free and different; a taken one is told with the way out."""

import socket
from pathlib import Path

import pytest

from deploy.local.ports import claim, free_ports
from libs.common.runtime.errors import ConfigurationError


def test_each_name_gets_a_port_of_its_own():
    found = free_ports([f"p{number}" for number in range(50)])
    assert len(set(found.values())) == 50


def test_no_port_may_become_the_near_end_of_a_connection():
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(port < lowest for port in free_ports("abc").values())


def test_a_taken_port_is_told_with_another():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"port {port} is taken: .* choose another with --port \d+"):
            claim(port, "--port")
    claim(port, "--port")
