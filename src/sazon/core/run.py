"""The run directory: plain files, append-only, resumable, portable.

    runs/<name>-<digest>/
      recipe.yaml  resolved.json  manifest.jsonl  events.jsonl
      <stage>/…                one folder a finished stage; <stage>.partial while it works

A stage works in a folder of its own that is renamed when it is done, so a killed run leaves
nothing half-written under a final name. The manifest says which inputs made which outputs;
a stage whose input digests have not changed is skipped.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from sazon.core import digest, rng
from sazon.core.errors import EnvironmentLacks, IntegrityError
from sazon.core.events import Emit, Event, silent


@contextlib.contextmanager
def readable_disk_errors(where: Path) -> Iterator[None]:
    """Turn what a disk refuses into words.

    Raises:
        EnvironmentLacks: no space, no permission, a read-only file system, or nothing of that name.
    """
    mends = {
        errno.ENOSPC: ("the disk is full", "Free some space and run the same command again."),
        errno.EDQUOT: ("the disk quota is used up", "Free some space and run the same command again."),
        errno.EROFS: ("the file system is read-only", "Choose another place with --out DIR."),
        errno.EACCES: ("no permission to write here", "Choose another place with --out DIR."),
        errno.EPERM: ("no permission to write here", "Choose another place with --out DIR."),
        errno.ENOTDIR: ("a file stands where a folder is needed", "Choose another place with --out DIR."),
        errno.EEXIST: ("a file stands where a folder is needed", "Choose another place with --out DIR."),
        errno.EISDIR: ("a folder stands where a file is needed", "Name a file."),
        errno.ENOENT: ("no such file or folder", "Check the path; results can go elsewhere with --out."),
    }
    try:
        yield
    except OSError as error:
        if error.errno not in mends:
            raise
        what, mend = mends[error.errno]
        raise EnvironmentLacks(what, where=str(where), mend=mend) from error


def write_aside(path: Path, content: str | bytes) -> None:
    """Write a file under another name and rename it, so that it is whole or absent."""
    raw = content.encode("utf-8") if isinstance(content, str) else content
    if not path.name:
        raise EnvironmentLacks("a folder stands where a file is needed", where=str(path), mend="Name a file.")
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with readable_disk_errors(path):
        try:
            with aside.open("wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def read_resolved(directory: Path) -> dict[str, Any]:
    """What a run was made of, from its `resolved.json`.

    Raises:
        EnvironmentLacks: there is no run here.
        IntegrityError: the file was changed or cut.
    """
    path = directory / "resolved.json"
    if not path.is_file():
        raise EnvironmentLacks(
            "no run here", where=str(directory), mend="Make one with: sazon run recipe.yaml"
        )
    try:
        resolved = json.loads(path.read_bytes())
    except ValueError:
        resolved = None
    if not isinstance(resolved, dict) or not isinstance(resolved.get("seed"), int):
        raise IntegrityError(
            "the file was changed or cut", where=str(path), mend="Run the recipe again with another --out."
        )
    return resolved


class Run:
    """One run: its directory, its manifest, its named random streams."""

    def __init__(self, directory: Path, *, seed: int, lock: IO[str] | None, emit: Emit) -> None:
        """Use `Run.start` or `Run.read`."""
        self.directory = directory
        self.seed = seed
        self._lock = lock
        self._emit = emit

    @classmethod
    def start(cls, directory: Path, *, seed: int, emit: Emit = silent) -> Run:
        """Open a directory for writing, alone.

        Raises:
            EnvironmentLacks: cannot be written, or another run is using it.
        """
        try:
            with readable_disk_errors(directory):
                directory.mkdir(parents=True, exist_ok=True)
                lock = (directory / ".lock").open("w")
        except OSError as error:
            raise EnvironmentLacks(
                f"no run can be kept here: {error.strerror}",
                where=str(directory),
                mend="Choose another place with --out DIR.",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise EnvironmentLacks(
                "another run is using this directory",
                where=str(directory),
                mend="Wait for it, or choose another place with --out DIR.",
            ) from error
        return cls(directory, seed=seed, lock=lock, emit=emit)

    @classmethod
    def read(cls, directory: Path) -> Run:
        """Open a finished run to read from it.

        Raises:
            EnvironmentLacks: there is no run here.
            IntegrityError: its `resolved.json` was changed or cut.
        """
        return cls(directory, seed=read_resolved(directory)["seed"], lock=None, emit=silent)

    def close(self) -> None:
        """Let others use the directory."""
        if self._lock is None:
            return
        if [p.name for p in self.directory.iterdir()] == [".lock"]:
            # Refused before anything was written: leave no empty directory behind.
            (self.directory / ".lock").unlink()
            self.directory.rmdir()
        self._lock.close()
        self._lock = None

    def __enter__(self) -> Run:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    # ------------------------------------------------------------------ streams

    def rng(self, name: str) -> np.random.Generator:
        """The named random stream, e.g. ``run.rng("evaluate.bootstrap")``."""
        return rng.stream(self.seed, name)

    def emit(self, event: Event) -> None:
        """Store an event and pass it on to whoever draws progress."""
        line = {"at": round(time.time(), 3)} | {
            k: v for k, v in vars(event).items() if v is not None and v != ""
        }
        self._append("events.jsonl", line)
        self._emit(event)

    # ------------------------------------------------------------------- stages

    def stage(self, name: str, *, inputs: Mapping[str, str], work: Callable[[Path], None]) -> Path:
        """Do a stage unless it is already done with the same inputs; return its folder.

        Args:
            name: folder below the run directory, e.g. ``"adapt/tuned"``.
            inputs: digests of everything the result depends on.
            work: fills the empty folder it is given.

        Raises:
            EnvironmentLacks: the disk is full or read-only; nothing half-written stays.
        """
        wanted = digest.of_json(dict(inputs))
        folder = self.directory / name
        if self._done(name, wanted, folder):
            self.emit(Event(stage=name.replace("/", "."), kind="skipped"))
            return folder
        partial = folder.with_name(f"{folder.name}.partial")
        self.emit(Event(stage=name.replace("/", "."), kind="started"))
        began = time.perf_counter()
        with readable_disk_errors(folder):
            shutil.rmtree(partial, ignore_errors=True)
            try:
                partial.mkdir(parents=True)
                work(partial)
                made = digest.of_folder(partial)
                shutil.rmtree(folder, ignore_errors=True)
                partial.replace(folder)
            except BaseException:
                # A killed process cannot clean up; the next start does. A failed or interrupted one can.
                shutil.rmtree(partial, ignore_errors=True)
                raise
        seconds = round(time.perf_counter() - began, 3)
        self._append(
            "manifest.jsonl",
            {
                "stage": name,
                "inputs": dict(inputs),
                "input_digest": wanted,
                "output_digest": made,
                "seconds": seconds,
                "status": "done",
            },
        )
        self.emit(Event(stage=name.replace("/", "."), kind="done", done=seconds))
        return folder

    def manifest(self) -> list[dict[str, Any]]:
        """All whole lines of the manifest; a line cut by a kill is passed over."""
        path = self.directory / "manifest.jsonl"
        lines = []
        for line in path.read_bytes().split(b"\n") if path.is_file() else ():
            # A kill may cut a line in the middle of a letter.
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
        return lines

    def _done(self, name: str, wanted: str, folder: Path) -> bool:
        last = next((e for e in reversed(self.manifest()) if e.get("stage") == name), None)
        return (
            last is not None
            and last["input_digest"] == wanted
            and folder.is_dir()
            and digest.of_folder(folder) == last["output_digest"]
        )

    def _append(self, name: str, line: Mapping[str, Any]) -> None:
        path = self.directory / name
        with readable_disk_errors(path), path.open("a+b") as file:
            # After a kill the last line may lack its end: start a new one.
            if file.tell() and (file.seek(-1, os.SEEK_END) or True) and file.read(1) != b"\n":
                file.write(b"\n")
            file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")

    # -------------------------------------------------------------------- files

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file at the top of the run, whole or not at all."""
        path = self.directory / name
        write_aside(path, content)
        return path
