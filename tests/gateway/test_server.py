"""Listening: this machine only, ports that are taken, and stopping cleanly."""

import contextlib
import signal
import socket
import subprocess
import sys

import pytest
from pydantic import ValidationError

from sazon.core.errors import EnvironmentLacks
from sazon.gateway.config import GatewayConfig
from sazon.gateway.server import address, listen

SCRIPT = """
import numpy as np
from sazon.core.types import Candidate
from sazon.gateway.config import GatewayConfig
from sazon.gateway.server import serve
from sazon.gateway.served import Served
from sazon.models.majority import MajorityPredictor

predictor = MajorityPredictor(("a", "b"), np.array([0.7, 0.3]))
candidate = Candidate(name="floor", technique="majority")
served = Served(name="task", candidate=candidate, predictor=predictor)
serve(served, GatewayConfig(port=0), say_so=lambda line: print(line, flush=True))
print("returned", flush=True)
"""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])
def test_others_cannot_reach_it_yet(host):
    with pytest.raises(ValidationError, match="no authentication yet"):
        GatewayConfig(host=host)


def test_a_port_that_is_taken_is_said():
    with contextlib.closing(listen(GatewayConfig(port=0))) as first:
        port = first.getsockname()[1]
        with pytest.raises(EnvironmentLacks, match=f"port {port} is taken"):
            listen(GatewayConfig(port=port))


def test_it_is_bound_to_this_machine():
    for host in ("127.0.0.1", "localhost"):
        with contextlib.closing(listen(GatewayConfig(host=host, port=0))) as listening:
            assert listening.getsockname()[0] == "127.0.0.1"
            assert address(listening).startswith("http://127.0.0.1:")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly(number):
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            line = process.stdout.readline()
            _wait_for(int(line.split("http://127.0.0.1:")[1].split()[0]))
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, err) == (0, "")
    assert out.splitlines() == ["Stopped.", "returned"]


def _wait_for(port):
    """Talk to it once: when it answers, it also listens for signals."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in connection.recv(4096)
