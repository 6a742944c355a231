"""A log in a store of its own, a key, and a clock that a test turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sazon.core.store import Store
from sazon.policy.audit.log import AuditLog

NOON = 1_793_707_200.0  # 2026-11-03T12:00:00Z


class Clock:
    """Goes on by a second at every look."""

    def __init__(self) -> None:
        self.now = NOON - 1

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(b"k" * 32)


@pytest.fixture
def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open("sqlite:///policy.db", root=tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def log(store: Store, key: Ed25519PrivateKey, public: bytes, clock: Clock) -> AuditLog:
    return AuditLog(store, sign=key.sign, public=public, clock=clock)


@pytest.fixture
def sent() -> Callable[..., dict[str, object]]:
    """The fields of a request that went out."""

    def fields(provider: str = "acme", classes: tuple[str, ...] = ("personal",), **more: object):
        return {
            "event": "sent",
            "purpose": "infer.external",
            "provider": provider,
            "classes": list(classes),
            "allow": True,
            "reason": "granted",
            "consents": ["c-17"],
            "policy": "a1" * 32,
            "request": "b2" * 32,
            "spans": {"nif": 1, "email": 2},
            "subject": "5f0c",
            "model": "big-1",
        } | more

    return fields
