"""Federating opens no socket, writes nothing outside its folders, and keeps the screen clean."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys

from sazon.core.events import silent
from sazon.federate.flower import quiet_flower

FRESH = """
import socket
def refuse(*args, **kwargs): raise AssertionError("a socket was opened")
socket.socket.connect = refuse
import numpy as np
from pathlib import Path
from sazon.core.events import silent
from sazon.core.types import Dataset, Example, TrainingData
from sazon.federate.learner import Learner
from sazon.federate.sites import partition
from sazon.federate.flower import quiet_flower

class Mean:
    def initial_state(self, config, *, base, labels): return {"w": np.zeros(1)}
    def local_step(self, state, rows, *a, **k): return {"w": state["w"] + len(rows)}
    def save_state(self, *a, **k): pass

def rows(split):
    return Dataset(name="x", split=split, examples=tuple(
        Example(id=str(i), input="x", target="y", site="ab"[i % 2]) for i in range(4)))
data = TrainingData(fit=rows("fit"), validation=rows("validation"), labels=("y",))
learner = Learner(technique=Mean(), options=None, base=None, labels=("y",), cache=Path("cache"), seed=0,
                  local_steps=1)
with quiet_flower(home=Path("cache/flower"), emit=silent, stage="x"):
    from sazon.federate.coordinator import federate
    done = federate(learner, partition(data, min_sites=2, where=""), rounds=3, fraction=1.0,
                    observe=lambda number, state: None)
import sys
assert "ray" not in sys.modules and "torch" not in sys.modules
print(done.state["w"][0])
"""


def test_a_fresh_process_leaves_nothing_behind_and_says_nothing(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FLWR")} | {
        "HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", FRESH], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.stderr) == ("6.0", "")
    assert sorted(p.name for p in tmp_path.rglob("*")) == []


def test_no_connection_and_nothing_on_the_screen(adapt, training_data, monkeypatch, capfd, tmp_path):
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    adapt(training_data({"a": 6, "b": 6}), rounds=2)
    assert not (tmp_path / "home").exists()
    assert capfd.readouterr() == ("", "")


def test_environment_and_logger_are_put_back(tmp_path, monkeypatch):
    monkeypatch.setenv("FLWR_HOME", "mine")
    monkeypatch.delenv("FLWR_TELEMETRY_ENABLED", raising=False)
    with quiet_flower(home=tmp_path, emit=silent, stage=""):
        pass
    logger = logging.getLogger("flwr")
    before = logger.handlers[:], logger.propagate
    events = []
    with (
        contextlib.suppress(RuntimeError),
        quiet_flower(home=tmp_path, emit=events.append, stage="federate.x"),
    ):
        assert os.environ["FLWR_HOME"] == str(tmp_path)
        assert os.environ["FLWR_TELEMETRY_ENABLED"] == "0"
        logger.info("chatter")
        logger.warning("something odd")
        raise RuntimeError
    assert (logger.handlers, logger.propagate) == before
    assert os.environ["FLWR_HOME"] == "mine"
    assert "FLWR_TELEMETRY_ENABLED" not in os.environ
    assert [(e.kind, e.message) for e in events] == [("note", "Flower: something odd")]
