"""`keys.json`: how a keyring stands on disk."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from sazon.core.errors import EnvironmentLacks, IntegrityError
from sazon.core.run import readable_disk_errors
from sazon.policy.keys.erasable import Erasable
from sazon.policy.keys.recovery import RecoveryCopy, read_public
from sazon.policy.keys.sealing import frame, from_text, seal, to_text, unframe, unseal

NAME = "keys.json"
FORMAT = 1
Role = Literal["consent", "audit", "recovery"]
"""What a signing key is for; a signature of one role never passes for another's."""
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """What stands in clear, and is authenticated."""

    tenant: str
    version: int
    """Tree that wraps new data keys."""
    public: Mapping[Role, bytes]
    wrapped: Mapping[str, bytes]
    """The keyring's own key, by id of the source that wrapped it."""
    recovery: RecoveryCopy | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Secrets:
    """What is sealed."""

    signing: Mapping[Role, bytes] = field(repr=False)
    index: bytes = field(repr=False)
    """Key of subject digests."""
    trees: Mapping[int, Erasable] = field(repr=False)
    """By version."""
    erased: Mapping[str, int] = field(repr=False)
    """How often a subject was erased, by digest."""


def stamp(path: Path) -> tuple[int, int, int]:
    """What changes whenever the file is written.

    Raises:
        EnvironmentLacks: there is no keyring.
    """
    try:
        told = path.stat()
    except OSError as error:
        raise EnvironmentLacks(
            f"no keyring: {error.strerror}", where=str(path), mend="Make one with: sazon keys init"
        ) from None
    return told.st_ino, told.st_mtime_ns, told.st_size


def read(path: Path) -> tuple[Header, bytes]:
    """The header, and the secrets still sealed.

    Raises:
        EnvironmentLacks: there is no keyring.
        IntegrityError: not a keyring, or a damaged one.
    """
    found = None
    before = stamp(path)
    while found is None:
        with readable_disk_errors(path):
            found = _parsed(path.read_bytes())
        now = stamp(path)
        if found is None and now == before:
            raise IntegrityError("not a keyring, or a damaged one", where=str(path), mend="Restore its copy.")
        # Somebody replaced the file while it was read, and overwrote the one that was opened.
        before = now
    return found


def _parsed(content: bytes) -> tuple[Header, bytes] | None:
    try:
        raw = json.loads(content)
        if raw["format"] != FORMAT:
            return None
        header = Header(
            tenant=raw["tenant"],
            version=raw["version"],
            public={role: _bytes(raw["public"][role]) for role in ROLES},
            wrapped={name: _bytes(text) for name, text in raw["wrapped"].items()},
            recovery=raw["recovery"] and _copy(raw["recovery"]),
        )
        return header, _bytes(raw["sealed"])
    except (ValueError, KeyError, TypeError, AttributeError, EnvironmentLacks):
        return None


def _copy(raw: Mapping[str, str]) -> RecoveryCopy:
    return RecoveryCopy(
        public=read_public(raw["public"], where=NAME),
        sealed=_bytes(raw["sealed"]),
        signature=_bytes(raw["signature"]),
    )


def unseal_secrets(header: Header, sealed: bytes, key: bytes, path: Path) -> Secrets:
    """The secrets, with the keyring's own key.

    Raises:
        IntegrityError: header or secrets were changed.
    """
    plain = unseal(
        key, sealed, _in_clear(header), what=f"{path}: the keyring was changed", mend="Restore its copy."
    )
    text, *trees = unframe(plain)
    raw = json.loads(text)
    return Secrets(
        signing={role: _bytes(raw["signing"][role]) for role in ROLES},
        index=_bytes(raw["index"]),
        trees={v: Erasable.from_bytes(tree) for v, tree in zip(raw["trees"], trees, strict=True)},
        erased=raw["erased"],
    )


def write(path: Path, header: Header, secrets: Secrets, key: bytes) -> None:
    """Put the whole file in place at once, and overwrite what was there.

    Raises:
        EnvironmentLacks: the disk is full or read-only; the old file stands.
    """
    plain = {
        "signing": {role: to_text(raw) for role, raw in secrets.signing.items()},
        "index": to_text(secrets.index),
        "trees": list(secrets.trees),
        "erased": dict(secrets.erased),
    }
    trees = (tree.to_bytes() for tree in secrets.trees.values())
    sealed = seal(key, frame(json.dumps(plain), *trees), _in_clear(header))
    text = json.dumps(_as_json(header) | {"sealed": to_text(sealed)}, indent=1)
    aside = path.with_name(f".{path.name}.new")
    with readable_disk_errors(path), contextlib.ExitStack() as old:
        before = old.enter_context(path.open("r+b")) if path.exists() else None
        try:
            opened = os.open(aside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
            with os.fdopen(opened, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        _flush_folder(path.parent)
        if before is not None:
            _scrub(before.fileno())


def _scrub(descriptor: int) -> None:
    """Overwrite a file that has lost its name: it may hold keys that were just destroyed."""
    os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
    os.fsync(descriptor)


def _flush_folder(folder: Path) -> None:
    """Make the new name as lasting as the content."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _as_json(header: Header) -> dict[str, Any]:
    copy = header.recovery
    return {
        "format": FORMAT,
        "tenant": header.tenant,
        "version": header.version,
        "public": {role: to_text(raw) for role, raw in header.public.items()},
        "wrapped": {name: to_text(raw) for name, raw in header.wrapped.items()},
        "recovery": copy
        and {
            "public": str(copy.public),
            "sealed": to_text(copy.sealed),
            "signature": to_text(copy.signature),
        },
    }


def _in_clear(header: Header) -> bytes:
    """The header as associated data, the same however the file is laid out."""
    return json.dumps(_as_json(header), sort_keys=True, separators=(",", ":")).encode()


def _bytes(text: Any) -> bytes:
    raw = from_text(cast(str, text))
    if raw is None:
        raise ValueError("not base64")
    return raw
