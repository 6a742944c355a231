"""Where the key-encryption key comes from, and what it wraps.

    file:PATH         32 bytes in base64, in a file that its owner alone may read
    env:NAME          32 bytes in base64, in an environment variable
    command:ARGV…     a program in front of a key module (HSM) or key service (KMS); the key stays there

The program of `command:` is run with one more argument: `id` prints a lasting name of the key; `wrap`
and `unwrap` read two lines of base64 (the data, then the context it is bound to) and print one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sazon.core.errors import EnvironmentLacks, IntegrityError, RecipeError, SazonError
from sazon.policy.keys.sealing import KEY_BYTES, fresh_key, from_text, seal, to_text, unseal

COMMAND_S = 30.0
"""How long a key module may take."""
WRONG = "this is not the key it was wrapped with, or the wrapped key was changed"


class KeySource(Protocol):
    """A key-encryption key that wraps other keys, held here or in a key module."""

    @property
    def id(self) -> str:
        """Which key it is, 16 hexadecimal digits; says nothing of the key itself."""
        ...

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt a key and bind it to a context."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Decrypt what `wrap` made; IntegrityError for another key or context."""
        ...


def open_source(spec: str, *, root: Path | None = None) -> KeySource:
    """The key source of a recipe's `policy.key`.

    Args:
        spec: `file:PATH`, `env:NAME` or `command:ARGV…`.
        root: folder where a relative path starts.

    Raises:
        RecipeError: another kind of source.
        EnvironmentLacks: the key is not there, or others than its owner may read it.
    """
    kind, _, rest = spec.partition(":")
    if not rest.strip():
        kind = ""
    if kind == "file":
        return LocalKey(_key_in((root or Path()) / rest), where=spec)
    if kind == "env":
        return LocalKey(_variable(rest), where=spec)
    if kind == "command":
        return CommandKey(argv=tuple(shlex.split(rest)))
    raise RecipeError(
        "this kind of key source is not known",
        mend="Write file:PATH, env:NAME or command:PROGRAM ARGUMENTS.",
    )


def create_source(spec: str, *, root: Path | None = None) -> KeySource:
    """The same, with a new key where `file:` names a file that is not there yet; never overwrites.

    Raises:
        EnvironmentLacks: the file is there already or cannot be written; or as `open_source`.
    """
    kind, _, rest = spec.partition(":")
    if kind == "file" and rest.strip():
        write_new((root or Path()) / rest, to_text(fresh_key()) + "\n")
    return open_source(spec, root=root)


def write_new(path: Path, text: str) -> None:
    """Write a secret to a file that its owner alone may read; never overwrites.

    Raises:
        EnvironmentLacks: the file is there already, or cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(opened, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise EnvironmentLacks(
            "there is a file already", where=str(path), mend="Use it, or name another."
        ) from None
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise EnvironmentLacks(
            f"the file cannot be written: {error.strerror}", where=str(path), mend="Check the folder."
        ) from None


class LocalKey:
    """A key in this process's memory; `repr` shows its id alone."""

    __slots__ = ("_key", "id")

    def __init__(self, key: bytes, *, where: str = "key") -> None:
        """Use `open_source`, which checks where the key comes from."""
        if len(key) != KEY_BYTES:
            raise EnvironmentLacks(f"a key has {KEY_BYTES} bytes", where=where)
        self._key = key
        self.id = _id(HKDF(algorithm=SHA256(), length=32, salt=None, info=b"sazon key id").derive(key))

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """AES-256-GCM with the context as associated data."""
        return seal(self._key, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Back to the key.

        Raises:
            IntegrityError: another key or context, or changed.
        """
        return unseal(self._key, wrapped, context, what=WRONG, mend="Name the key it was made with.")

    def __repr__(self) -> str:
        """Which key, never the key."""
        return f"LocalKey({self.id})"

    def __reduce__(self) -> str:
        """A key does not travel in a pickle."""
        raise TypeError("a key cannot be pickled")


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandKey:
    """A key that never leaves its module; the program in front of it wraps and unwraps."""

    argv: tuple[str, ...] = field(repr=False)
    """Program and arguments; hidden, since arguments may hold a pin."""

    @property
    def id(self) -> str:
        """Digest of the name that the program gives the key."""
        name = self._run("id", b"").strip()
        if not name:
            raise self._failed("it names no key")
        return _id(name)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Wrapped in the module."""
        return self._converted("wrap", key, context, self._failed("it wrapped nothing"))

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Unwrapped in the module.

        Raises:
            EnvironmentLacks: the program is missing, fails or takes too long.
            IntegrityError: what it answers is no key.
        """
        key = self._converted("unwrap", wrapped, context, IntegrityError(WRONG))
        if len(key) != KEY_BYTES:
            raise IntegrityError(WRONG)
        return key

    def _converted(self, verb: str, data: bytes, context: bytes, error: SazonError) -> bytes:
        answer = self._run(verb, f"{to_text(data)}\n{to_text(context)}\n".encode())
        raw = from_text(answer.decode("ascii", "replace").strip())
        if not raw:
            raise error
        return raw

    def _run(self, verb: str, given: bytes) -> bytes:
        """What the program prints; its words on failure may hold secrets and are dropped."""
        try:
            done = subprocess.run(
                [*self.argv, verb], input=given, capture_output=True, timeout=COMMAND_S, check=False
            )
        except subprocess.TimeoutExpired:
            failed = f"it took longer than {COMMAND_S:g} s"
        except OSError as error:
            failed = f"it cannot be run ({error.strerror})"
        else:
            if done.returncode == 0:
                return done.stdout
            failed = f"it ended with {done.returncode}"
        raise self._failed(failed)

    def _failed(self, why: str) -> EnvironmentLacks:
        return EnvironmentLacks(
            f"the key command does not work: {why}",
            where=Path(self.argv[0]).name,
            mend="Run it by hand with the argument id.",
        )


def _id(name: bytes) -> str:
    return hashlib.sha256(name).hexdigest()[:16]


def _key_in(path: Path) -> bytes:
    """The key of a file that nobody but its owner can read."""
    try:
        # A link could lead to a file that somebody else may change.
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise EnvironmentLacks(
            f"the key cannot be read: {error.strerror}",
            where=str(path),
            mend="Put the key back. Without it nothing is read, and nothing is written in clear.",
        ) from None
    try:
        told = os.fstat(opened)
        if not stat.S_ISREG(told.st_mode):
            raise EnvironmentLacks("a key is a plain file", where=str(path), mend="No folder, link or pipe.")
        if told.st_mode & 0o077 or told.st_uid not in (os.geteuid(), 0):
            raise EnvironmentLacks(
                "others may read or change this key", where=str(path), mend=f"Run: chmod 600 {path}"
            )
        text = os.read(opened, 4096).decode("ascii", "replace").strip()
    finally:
        os.close(opened)
    return _checked(from_text(text, length=KEY_BYTES), where=str(path))


def _variable(name: str) -> bytes:
    text = os.environ.get(name)
    if text is None:
        raise EnvironmentLacks(
            "this environment variable is not set", where=name, mend="Put the key there, in base64."
        )
    return _checked(from_text(text.strip(), length=KEY_BYTES), where=name)


def _checked(key: bytes | None, *, where: str) -> bytes:
    if key is None:
        raise EnvironmentLacks(
            f"not a key: {KEY_BYTES} bytes in base64 are needed",
            where=where,
            mend="Put back the key that opens the keyring. Only where there is no keyring yet, make one:"
            " openssl rand -base64 32",
        )
    return key
