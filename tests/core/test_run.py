"""The run directory: resume, locks, cut files, full disks."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sazon.core.errors import EnvironmentLacks
from sazon.core.events import Event
from sazon.core.run import Run, write_aside


def put(text: str):
    return lambda folder: (folder / "x.txt").write_text(text)


def test_a_stage_is_done_once(tmp_path: Path) -> None:
    done = []
    for _ in range(2):
        with Run.start(tmp_path, seed=0) as run:
            run.stage("a/b", inputs={"x": "1"}, work=lambda f: done.append(put("one")(f)))
    assert len(done) == 1
    assert (tmp_path / "a/b/x.txt").read_text() == "one"


@pytest.mark.parametrize("change", ["input", "output", "missing"])
def test_a_stage_is_done_again_when_something_changed(tmp_path: Path, change: str) -> None:
    with Run.start(tmp_path, seed=0) as run:
        folder = run.stage("a", inputs={"x": "1"}, work=put("one"))
        if change == "output":
            (folder / "x.txt").write_text("tampered")
        if change == "missing":
            (folder / "x.txt").unlink()
        run.stage("a", inputs={"x": "2" if change == "input" else "1"}, work=put("two"))
    assert (tmp_path / "a/x.txt").read_text() == "two"


def test_a_failed_stage_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise RuntimeError("no")

    with Run.start(tmp_path, seed=0) as run, pytest.raises(RuntimeError):
        run.stage("a", inputs={}, work=fail)
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "a.partial").exists()


def test_a_failed_stage_keeps_the_earlier_result(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        raise RuntimeError("no")

    with Run.start(tmp_path, seed=0) as run:
        run.stage("a", inputs={"x": "1"}, work=put("one"))
        with pytest.raises(RuntimeError):
            run.stage("a", inputs={"x": "2"}, work=fail)
    assert (tmp_path / "a/x.txt").read_text() == "one"


def test_two_runs_in_one_directory_are_refused(tmp_path: Path) -> None:
    with Run.start(tmp_path, seed=0), pytest.raises(EnvironmentLacks, match="another run"):
        Run.start(tmp_path, seed=0)


def test_a_disk_that_fills_up_is_said_in_words(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Run.start(tmp_path, seed=0) as run, pytest.raises(EnvironmentLacks, match="disk is full"):
        run.stage("a", inputs={}, work=fill)
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "a.partial").exists()


def test_a_folder_that_cannot_be_made_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((EnvironmentLacks, FileExistsError), match="folder"):
        Run.start(tmp_path / "file" / "run", seed=0)


@pytest.mark.parametrize("cut", [b'{"stage": "b", "inp', b'{"stage": "adapt/a\xc3', b'"', b"{"])
def test_a_manifest_cut_by_a_kill_is_read_past(tmp_path: Path, cut: bytes) -> None:
    with Run.start(tmp_path, seed=0) as run:
        run.stage("a", inputs={"x": "1"}, work=put("one"))
    with (tmp_path / "manifest.jsonl").open("ab") as file:
        file.write(cut)
    with Run.start(tmp_path, seed=0) as run:
        assert run.stage("a", inputs={"x": "1"}, work=put("never")) == tmp_path / "a"
        run.stage("c", inputs={}, work=put("three"))
        assert [e["stage"] for e in run.manifest()] == ["a", "c"]
    assert (tmp_path / "a/x.txt").read_text() == "one"


def test_events_are_stored_and_passed_on(tmp_path: Path) -> None:
    seen: list[Event] = []
    with Run.start(tmp_path, seed=0, emit=seen.append) as run:
        run.emit(Event(stage="a", message="hello", done=1, total=2))
    line = json.loads((tmp_path / "events.jsonl").read_text())
    assert line["message"] == "hello"
    assert seen[0].total == 2


def test_write_aside_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_aside(tmp_path / "f", "old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentLacks):
        write_aside(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_killed_stage_is_done_again(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from sazon.core.run import Run
        def work(folder):
            (folder / "half").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        with Run.start(Path(sys.argv[1]), seed=0) as run:
            run.stage("a", inputs={"x": "1"}, work=work)
        """
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "a").exists()
    with Run.start(tmp_path, seed=0) as run:
        run.stage("a", inputs={"x": "1"}, work=put("one"))
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["x.txt"]


def test_streams_depend_on_seed_and_name_alone(tmp_path: Path) -> None:
    with Run.start(tmp_path, seed=0) as run:
        first = run.rng("a").random(3).tolist()
        run.rng("b").random(100)
        assert run.rng("a").random(3).tolist() == first
        assert run.rng("b").random(3).tolist() != first
