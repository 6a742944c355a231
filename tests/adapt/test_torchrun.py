"""Several processes that train one model end where one process does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sazon import models
from sazon.adapt import processes
from sazon.adapt.checkpoints import Checkpoint
from sazon.adapt.processes import Order, Team
from sazon.core.errors import EnvironmentLacks, RecipeError

OPTIONS = {"epochs": 3, "rate": 3e-3, "head_rate": 1e-2, "batch_size": 17}

UNDER_TORCHRUN = """
import json, sys
from pathlib import Path
import numpy as np
from sazon.adapt.follower import follow, follows
from sazon.core.seams import Base, Job
from sazon.models import precision
from sazon.testing.tiny import toy_task

if follows():
    follow()
    sys.exit()
from sazon.adapt.finetune import Finetune, FinetuneConfig
folder, revision, cache, out, options = sys.argv[1:]
precision._try_both = lambda encoder: "fp32"
base = Base(name="tiny", path=Path(folder), revision=revision, source="path", licence="CC0-1.0")
job = Job(name="finetune", directory=Path(out), cache=Path(cache), rng=np.random.default_rng(0))
config = FinetuneConfig.model_validate_json(options)
made = Finetune().adapt(config, base=base, data=toy_task(rows=180, split=135), parents={}, job=job)
said = {k: v.value for k, v in made.validation.items()} | dict(made.facts)
(Path(out).parent / "said.json").write_text(json.dumps(said))
"""


def near(made: dict[str, object], alone) -> None:
    """The same steps and the same quality; sums in another order differ in the last bits."""
    assert made["accuracy"] == pytest.approx(alone.validation["accuracy"].value, abs=0.03)
    assert made["log_loss"] == pytest.approx(alone.validation["log_loss"].value, abs=0.01)
    assert made["steps_planned"] == alone.facts["steps_planned"]
    assert made["processes"] == 2


def said(candidate) -> dict[str, object]:
    return {k: v.value for k, v in candidate.validation.items()} | dict(candidate.facts)


@pytest.mark.slow
def test_two_processes_end_where_one_does(make, data):
    alone = make("finetune", cache="alone", **OPTIONS)

    together = make("finetune", cache="together", processes=2, **OPTIONS)

    near(said(together), alone)
    first, second = (models.load(c).probabilities(data.validation.inputs) for c in (alone, together))
    assert first == pytest.approx(second, abs=0.02)
    assert not torch.distributed.is_initialized()


@pytest.mark.slow
def test_torchrun_ends_where_one_process_does(make, base, tmp_path):
    alone = make("finetune", cache="alone", **OPTIONS)
    script = tmp_path / "script.py"
    script.write_text(UNDER_TORCHRUN)
    out = tmp_path / "together"
    out.mkdir()

    given = [base.path, base.revision, tmp_path / "cache", out, json.dumps(OPTIONS | {"base": "tiny"})]
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script, *given]
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, env=os.environ, timeout=240
    )

    assert done.returncode == 0, done.stdout + done.stderr
    near(json.loads((tmp_path / "said.json").read_text()), alone)
    assert (out / "model.safetensors").is_file()


@pytest.mark.slow
def test_the_command_line_speaks_once_under_torchrun():
    sazon = Path(sys.executable).parent / "sazon"
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]

    done = subprocess.run(
        [sys.executable, *command, str(sazon), "run", "--help"], capture_output=True, text=True, timeout=240
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage:") == 1


@pytest.mark.slow
def test_several_processes_go_on_from_a_checkpoint(make, monkeypatch):
    whole = make("finetune", cache="whole", processes=2, **OPTIONS)

    class Cut(BaseException):
        pass

    write = Checkpoint.write

    def write_and_stop(self, *state):
        write(self, *state)
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "write", write_and_stop)
        with pytest.raises(Cut):
            make("finetune", cache="cut", processes=2, **OPTIONS)

    again = make("finetune", cache="cut", processes=2, **OPTIONS)
    assert again.artifact.digest == whole.artifact.digest


@pytest.mark.slow
def test_a_lost_process_is_said(make, monkeypatch):
    started, popen, shares, share = [], subprocess.Popen, 0, Team.share

    def remembered(command, *given, **more):
        process = popen(command, *given, **more)
        if "sazon.adapt.follower" in command:
            started.append(process)
        return process

    def kill_one_at_the_third(self, rows):
        nonlocal shares
        shares += 1
        if shares == 3:
            started[0].kill()
            started[0].wait()
        return share(self, rows)

    monkeypatch.setattr(processes.subprocess, "Popen", remembered)
    monkeypatch.setattr(Team, "share", kill_one_at_the_third)

    with pytest.raises(EnvironmentLacks, match=r"training process ended.*processes: 1"):
        make("finetune", processes=2, **OPTIONS)
    assert not torch.distributed.is_initialized()


@pytest.mark.slow
def test_a_process_ends_with_the_one_that_started_it():
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    where = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)}
    child = subprocess.Popen(
        [sys.executable, "-m", "sazon.adapt.follower"], env=os.environ | where, stdin=subprocess.PIPE
    )
    assert child.stdin is not None
    child.stdin.close()  # what the kernel does when this process is killed

    assert child.wait(timeout=120) == 1


def test_an_order_arrives_as_it_was_sent():
    order = Order(facts={"name": "ñ", "rate": 1e-4}, arrays={"ids": np.arange(5), "weight": np.eye(2) / 3})

    arrived = Order.unpacked(order.packed())

    assert arrived.facts == order.facts
    assert all(np.array_equal(arrived.arrays[k], a) for k, a in order.arrays.items())


def test_every_row_of_a_batch_belongs_to_one_process():
    for size in (1, 2, 3, 8):
        for n in (1, 5, 32):
            shares = [Team(rank, size).share(list(range(n))) for rank in range(size)]
            assert sorted(r for share in shares for r in share) == list(range(n))
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_number_of_processes(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert processes.wanted_processes(3) == 3
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert processes.wanted_processes("auto") == 4
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert processes.wanted_processes("auto") == 1
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert processes.wanted_processes(1) == 1
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert processes.wanted_processes(1) == 2


def test_a_caller_with_a_process_group_of_its_own_is_told(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    with (
        pytest.raises(RecipeError, match=r"joined.*processes: 1"),
        processes.meeting(None, 1, rank=0, size=2),
    ):
        pass
