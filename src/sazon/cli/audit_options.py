"""What the options of `sazon audit` mean: which log, whose key, what time, which fields, which files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sazon.policy.audit.checkpoint import Checkpoint
    from sazon.policy.audit.log import AuditLog
    from sazon.policy.locks import Locks


def open_log(store: str, key: str | None, recipe: Path) -> AuditLog:
    """The log of a store that is there, or that of a recipe."""
    from sazon.core.errors import EnvironmentLacks
    from sazon.core.store import Store
    from sazon.policy.audit.log import AuditLog

    if key is None:
        return _locks(recipe).log
    sign, public = _keys(key)
    file = Path(store.removeprefix("sqlite:///"))
    if store.startswith("sqlite:///") and not file.exists():
        raise EnvironmentLacks("there is no log", where=str(file), mend="Name its store with --store.")
    return AuditLog(Store.open(store), sign=sign, public=public)


def _locks(recipe: Path) -> Locks:
    from sazon import pipeline
    from sazon.policy.locks import Locks

    wanted = pipeline.recipe_of(recipe)
    return Locks.open(wanted.config.policy, root=wanted.root)


def public_of(key: str | None, recipe: Path) -> bytes:
    """The public key to check something with."""
    return _keys(key)[1] if key is not None else _locks(recipe).keyring.public("audit")


def _keys(given: str) -> tuple[Any, bytes]:
    """A signing function where the key is private, else None; and the public key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    from sazon.core.errors import RecipeError

    try:
        if Path(given).is_file():
            content = Path(given).read_bytes()
            if b"PRIVATE KEY" in content:
                private = serialization.load_pem_private_key(content, None)
                if isinstance(private, Ed25519PrivateKey):
                    return private.sign, private.public_key().public_bytes_raw()
            elif b"PUBLIC KEY" in content:
                public = serialization.load_pem_public_key(content)
                if isinstance(public, Ed25519PublicKey):
                    return None, public.public_bytes_raw()
            given = content.decode().strip()
        if len(raw := bytes.fromhex(given)) == 32:
            return None, raw
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        pass
    # Raised outside the handler: its errors may quote the key.
    raise RecipeError(
        "--key is not an Ed25519 key", mend="Give 64 hexadecimal digits, or a PEM file without password."
    )


def standing(log: AuditLog, key: str | None) -> Checkpoint | None:
    """What to stand on: a new checkpoint where one can be signed, else that of the last commit."""
    return log.latest() if key is not None and _keys(key)[0] is None else None


def moment(text: str | None) -> datetime | None:
    """A time as people write it; a day begins at midnight UTC."""
    from sazon.core.errors import RecipeError

    if text is None:
        return None
    try:
        found = datetime.fromisoformat(f"{text}T00:00:00+00:00" if len(text) == len("2026-11-03") else text)
    except ValueError:
        found = datetime.min
    if found.tzinfo is None:
        raise RecipeError(
            "a time is not understood", mend="Write 2026-11-03 (midnight UTC) or 2026-11-03T12:00:00+01:00."
        )
    return found


def anchors_in(path: Path | None) -> tuple[Checkpoint, ...]:
    """The checkpoints of a file that was named; one without any would check nothing."""
    from sazon.core.errors import IntegrityError
    from sazon.policy.audit import checkpoint

    found = () if path is None else checkpoint.read(path)
    if path is not None and not found:
        raise IntegrityError(
            "the file of checkpoints is empty",
            where=str(path),
            mend="Restore it: without it a cut is not seen.",
        )
    return found


def see_that_they_exist(event: str, classes: Sequence[str]) -> None:
    """Refuse a question about a kind or a class that no entry can have: its answer would be none."""
    from sazon.core import registry
    from sazon.core.dataset import DataClass
    from sazon.policy.audit.entry import EVENTS

    if event not in EVENTS:
        raise registry.unknown("kind of entry", event, list(EVENTS), where="--event")
    known = [*(one.value for one in DataClass), "unknown"]
    for name in classes:
        if name not in known:
            raise registry.unknown("class of data", name, known, where="--class")


def strangers(recipe: Path, providers: Sequence[str]) -> list[str]:
    """Providers asked about that the recipe does not have: a typing error would prove that nothing left."""
    from sazon import pipeline

    known = pipeline.recipe_of(recipe).config.providers
    return [name for name in providers if name not in known]


def fields(**given: list[str] | None) -> dict[str, Any]:
    """Fields that were asked about, with their values."""
    return {name: values for name, values in given.items() if values}


def pairs(given: Sequence[str]) -> dict[str, Any]:
    """`name=value`; yes and no are written true and false."""
    from sazon.core.errors import RecipeError

    found: dict[str, Any] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals:
            raise RecipeError("--where is name=value", mend="For example --where allow=true.")
        found.setdefault(name, []).append({"true": True, "false": False}.get(value, value))
    return found
