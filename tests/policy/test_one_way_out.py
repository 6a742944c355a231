"""No module but those on the list may open the network: every import in the package is read."""

import ast
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import sazon
from sazon.policy.exits import EXIT_FOLDERS, EXITS, NETWORK_PACKAGES

ROOT = Path(sazon.__file__).parent
# Names that are harmless parts of listed packages.
HARMLESS = {
    "http": {"http.HTTPStatus", "http.client.HTTPException"},
    "datasets": {"datasets.Dataset"},  # a table in memory
}
CALLS = {
    "open_connection",
    "create_connection",
    "open_unix_connection",
    "create_unix_connection",
    "create_datagram_endpoint",
    "sock_connect",
    "sock_sendto",
    "urlopen",
    "urlretrieve",
    "create_engine",
}


def _network_names(tree: ast.AST) -> Iterator[str]:
    """Every imported module that can reach the network, and every call that opens a connection."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in CALLS:
                yield f"call.{name}"
            if name in ("import_module", "__import__") and node.args:
                yield str(getattr(node.args[0], "value", ""))


def _reaches_out(name: str) -> bool:
    return (
        name.split(".")[0] in NETWORK_PACKAGES and name not in HARMLESS.get(name.split(".")[0], ())
    ) or name.startswith(("urllib.request", "call."))


def _allowed(module: str, name: str) -> bool:
    packages = set(EXITS.get(module, (frozenset(), ""))[0])
    for folder, (more, _) in EXIT_FOLDERS.items():
        packages |= more if module.startswith(f"{folder}.") else frozenset()
    if name in ("call.urlopen", "call.urlretrieve"):
        return "urllib.request" in packages
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _trespasses() -> list[str]:
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        module = ".".join(("sazon", *path.relative_to(ROOT).with_suffix("").parts))
        for name in _network_names(ast.parse(path.read_text("utf-8"))):
            if _reaches_out(name) and not _allowed(module, name):
                found.append(f"{module} uses {name}")
    return found


def test_nothing_but_the_listed_modules_can_reach_the_network():
    assert _trespasses() == []


def test_the_scan_sees_what_it_is_for():
    for line in (
        "import aiohttp",
        "from urllib.request import urlopen",
        "from urllib import request as r",
        "import http.client",
        "import socket as s",
        "import importlib; importlib.import_module('httpx')",
        "async def f():\n    await asyncio.open_connection('x', 1)",
        "def f():\n    import requests",
        "from sqlalchemy import create_engine\ncreate_engine('postgresql://x')",
    ):
        assert any(_reaches_out(name) for name in _network_names(ast.parse(line))), line
    for line in ("from http import HTTPStatus", "from urllib.parse import urlsplit", "import json"):
        assert not any(_reaches_out(name) for name in _network_names(ast.parse(line))), line


def test_prompts_have_one_way_only():
    names = [m for m, (packages, _) in EXITS.items() if "aiohttp" in packages]
    assert names == ["sazon.policy.egress"]


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("sazon.policy.egress", True),
        ("sazon.testing.anything", True),
        ("tests.anything", True),
        ("sazon.policy.gate", False),
        ("sazon.testing_not", False),
        ("sazon.policy.egress_too", False),
    ],
)
@pytest.mark.parametrize("how", ["connect", "connect_ex"])
def test_a_connection_from_any_other_module_fails_the_test_that_made_it(module, allowed, how):
    """The guard of every test looks at who connects, also where the list of imports saw nothing."""
    names = {"__name__": module}
    exec(f"def reach(one, address):\n    return one.{how}(address)", names)  # a module of that name
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as one:
        if allowed:
            names["reach"](one, server.getsockname())
            return
        with pytest.raises(AssertionError, match="not on the list of exits"):
            names["reach"](one, server.getsockname())
