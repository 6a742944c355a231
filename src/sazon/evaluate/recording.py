"""The file of a recording while it grows: what it holds already, and line after whole line."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sazon.core.errors import DataError, EnvironmentLacks
from sazon.core.run import readable_disk_errors
from sazon.core.types import Dataset
from sazon.models.prompt import Prompt
from sazon.models.recorded import read_recording
from sazon.models.remote import passing
from sazon.models.sealed_recording import Hand

CLEAR = Hand()


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a recording already holds of some rows."""

    missing: Dataset
    """Rows whose text has no line, each text once."""
    open: Dataset
    """Those, and rows whose failure may be gone by now: what recording again would ask for."""


def kept(rows: Dataset, *, path: Path, prompt: Prompt, model: str) -> Kept:
    """See which rows a recording lacks; a file that is not there lacks them all.

    Raises:
        DataError: it is no recording, or one of another prompt or model.
    """
    first = {text: i for i, text in reversed(list(enumerate(rows.inputs)))}
    indices = sorted(first.values())
    if not path.is_file() or b"\n" not in path.read_bytes():
        return Kept(missing=rows.select(indices), open=rows.select(indices))
    recording = read_recording(path)
    refuse_other(recording.prompt_digest, prompt.digest, what="prompt", path=path)
    refuse_other(recording.model, model, what="model", path=path)
    lines = [recording.answers.get(recording.key(rows.examples[i].input)) for i in indices]
    pairs = list(zip(indices, lines, strict=True))
    return Kept(
        missing=rows.select(i for i, line in pairs if line is None),
        open=rows.select(i for i, line in pairs if line is None or passing(line.error)),
    )


def refuse_other(found: str, wanted: str, *, what: str, path: Path) -> None:
    """See that a recording was made with what the recipe asks for.

    Raises:
        DataError: it was not; both are named, digests by their beginnings.
    """
    if found != wanted:
        raise DataError(
            f"this recording was made with another {what}: {found[:16]}, not {wanted[:16]}",
            where=str(path),
            mend="Record into another file, or ask as that recording was asked.",
        )


@contextlib.contextmanager
def opened(
    path: Path, header: Mapping[str, Any], hand: Hand = CLEAR
) -> Iterator[tuple[IO[bytes], dict[str, bool]]]:
    """A recording, locked and ready to grow, and which keys it has (True: not to be asked again).

    Args:
        path: the file, made where it is missing.
        header: what it must begin with.
        hand: how it is written.
    """
    with contextlib.ExitStack() as stack:
        with readable_disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("a+b"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise EnvironmentLacks(
                "another run is recording into this file", where=str(path), mend="Wait for it."
            ) from error
        file.seek(0)
        content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        lines = whole.splitlines()
        if lines or content[:20] != b'{"sazon_recording": '[: len(content)]:
            # Checked before anything is cut off: it may be somebody else's file.
            _check_header(_parsed(lines[0] if lines else content, path), header, path, hand)
        file.truncate(len(whole))  # drops a line that a kill cut short
        read = [hand.read_line(_parsed(line, path), where=str(path)) for line in lines[1:]]
        rows = [row for row in read if row is not None]
        try:
            yield file, {str(row.get("key")): not passing(row.get("error")) for row in rows}
        finally:
            if empty(file):
                path.unlink(missing_ok=True)  # not one answer came: leave nothing behind


def _check_header(found: Mapping[str, Any], wanted: Mapping[str, Any], path: Path, hand: Hand) -> None:
    if found.get("sazon_recording") == wanted["sazon_recording"]:
        theirs = Hand.of(found, where=str(path))
        if theirs.sealed != hand.sealed:
            raise DataError(
                "this is a sealed recording" if theirs.sealed else "this recording is not sealed",
                where=str(path),
                mend="Choose another file for the new recording.",
            )
        found = theirs.read_header(found, where=str(path))
    for name in ("sazon_recording", "model", "prompt_digest", "labels", "provider", "data_public"):
        if found.get(name) != wanted[name]:
            raise DataError(
                f"this is a recording with another {name.replace('_', ' ')}",
                where=str(path),
                mend="Choose another file for the new recording.",
            )


def _parsed(line: bytes, path: Path) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise DataError("this is not a recording", where=str(path), mend="Choose another file.")
    return row


def append(path: Path, file: IO[bytes], row: Mapping[str, Any]) -> None:
    """Write one line and see it on the disk: it was paid for."""
    with readable_disk_errors(path):
        file.write(json.dumps(row).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def empty(file: IO[bytes]) -> bool:
    """Whether nothing stands in it yet."""
    return os.fstat(file.fileno()).st_size == 0
