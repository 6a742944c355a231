"""Checkpoints: a training that was cut short goes on as if it never was."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sazon.adapt.checkpoints import Checkpoint
from sazon.adapt.training import seconds_per_step
from sazon.core.errors import EnvironmentLacks, IntegrityError, RecipeError
from sazon.core.seams import Base
from sazon.models.base import revision_of

OPTIONS = {"epochs": 3, "rate": 3e-3, "head_rate": 1e-2, "batch_size": 16}

KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from sazon.adapt import checkpoints
from sazon.adapt.finetune import Finetune, FinetuneConfig
from sazon.core.seams import Base, Job
from sazon.models import precision
from sazon.testing.tiny import toy_task

folder, revision, cache, out, options, last = sys.argv[1:]
precision._try_both = lambda encoder: "fp32"
written, write = 0, checkpoints.Checkpoint.write

def write_and_die(self, *state):
    global written
    write(self, *state)
    written += 1
    if written == int(last):
        os.kill(os.getpid(), signal.SIGKILL)

checkpoints.Checkpoint.write = write_and_die
base = Base(name="tiny", path=Path(folder), revision=revision, source="path", licence="CC0-1.0")
job = Job(name="finetune", directory=Path(out), cache=Path(cache), rng=np.random.default_rng(0))
config = FinetuneConfig.model_validate_json(options)
Finetune().adapt(config, base=base, data=toy_task(rows=180, split=135), parents={}, job=job)
"""


class Cut(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="session")
def dropping(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Base:
    """The tiny base with dropout, so that torch's random numbers matter in training."""
    folder = tmp_path_factory.mktemp("dropping") / "base"
    shutil.copytree(base.path, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.2}
    (folder / "config.json").write_text(json.dumps(config))
    return replace(base, path=folder, revision=revision_of(folder))


def cut_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """End the training right after so many checkpoints."""
    done, write = 0, Checkpoint.write

    def write_and_stop(self, *state):
        nonlocal done
        write(self, *state)
        done += 1
        if done == writes:
            raise Cut

    monkeypatch.setattr(Checkpoint, "write", write_and_stop)


def same(first, second) -> bool:
    assert first.validation == second.validation
    assert first.facts == second.facts
    return first.artifact.digest == second.artifact.digest


def kept(tmp_path: Path, cache: str) -> list[Path]:
    return sorted((tmp_path / cache).glob("checkpoints/*/*"))


def test_after_a_kill_the_same_command_ends_with_the_same_model(make, dropping, tmp_path):
    whole = make("finetune", base=dropping, cache="whole", **OPTIONS)
    out = tmp_path / "killed"
    out.mkdir()

    given = [
        dropping.path,
        dropping.revision,
        tmp_path / "cut",
        out,
        json.dumps(OPTIONS | {"base": "tiny"}),
        2,
    ]
    child = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, given)],
        capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    assert [p.name for p in kept(tmp_path, "cut")] == ["fit-0.safetensors"]

    assert same(make("finetune", base=dropping, cache="cut", **OPTIONS), whole)
    assert kept(tmp_path, "cut") == []


@pytest.mark.parametrize(
    ("writes", "more"),
    [(1, {}), (3, {}), (4, {}), (1, {"ema": 0.9}), (4, {"ema": 0.9}), (2, {"method": "dora", "rank": 4})],
    ids=["first", "fit done", "refit", "average", "average refit", "adapters"],
)
def test_cut_anywhere_ends_the_same(make, dropping, events, writes, more):
    options = OPTIONS | more
    whole = make("finetune", base=dropping, cache="whole", **options)
    with pytest.MonkeyPatch.context() as patch:
        cut_after(patch, writes)
        with pytest.raises(Cut):
            make("finetune", base=dropping, cache="cut", **options)
    events.clear()

    again = make("finetune", base=dropping, cache="cut", **options)

    assert same(again, whole)
    assert any("going on from a checkpoint" in e.message for e in events)


def test_cut_after_all_training_trains_no_more(make, dropping, monkeypatch):
    whole = make("finetune", base=dropping, cache="whole", seeds=2, **OPTIONS)

    def cut(*_):
        raise Cut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sazon.models.encoder.EncoderPredictor.save", cut)
        with pytest.raises(Cut):
            make("finetune", base=dropping, cache="cut", seeds=2, **OPTIONS)
    monkeypatch.setattr("torch.optim.AdamW.step", cut)

    assert same(make("finetune", base=dropping, cache="cut", seeds=2, **OPTIONS), whole)


def test_cut_in_the_middle_of_an_epoch_ends_the_same(make, dropping, monkeypatch):
    whole = make("finetune", base=dropping, cache="whole", **OPTIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "due", property(lambda self: True))
        cut_after(patch, 13)  # nine batches an epoch
        with pytest.raises(Cut):
            make("finetune", base=dropping, cache="cut", **OPTIONS)

    assert same(make("finetune", base=dropping, cache="cut", **OPTIONS), whole)


def test_other_options_or_rows_start_afresh(make, data, events, monkeypatch):
    with pytest.MonkeyPatch.context() as patch:
        cut_after(patch, 1)
        with pytest.raises(Cut):
            make("finetune", **OPTIONS)

    fewer = replace(data, fit=data.fit.select(range(120)))
    for changed in ({"rate": 1e-3}, {"data": fewer}, {"seed": 1}):
        make("finetune", **(OPTIONS | {"refit": False, "epochs": 1} | changed))

    assert not any("going on" in e.message for e in events)


def test_a_full_disk_is_said_and_harms_no_checkpoint(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "deep" / "fit.safetensors")
    checkpoint.write({"step": 1}, {"w": torch.ones(3)})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("sazon.core.run.os.fsync", full)
        with pytest.raises(EnvironmentLacks, match=r"disk is full.*Free some space"):
            checkpoint.write({"step": 2}, {"w": torch.zeros(3)})

    facts, tensors = Checkpoint(checkpoint.path).read()
    assert facts == {"step": 1}
    assert torch.equal(tensors["w"], torch.ones(3))
    assert [p.name for p in checkpoint.path.parent.iterdir()] == ["fit.safetensors"]


@pytest.mark.parametrize("length", [0, 5, 100])
def test_a_cut_file_is_named(tmp_path, length):
    checkpoint = Checkpoint(tmp_path / "fit.safetensors")
    checkpoint.write({"step": 1}, {"w": torch.ones(300)})
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:length])

    with pytest.raises(IntegrityError, match=r"fit\.safetensors.*cut.*run again"):
        checkpoint.read()


def test_time_spent_before_the_cut_counts(tmp_path):
    now = 100.0
    first = Checkpoint(tmp_path / "fit.safetensors", minutes=1, clock=lambda: now)
    assert not first.due
    now = 160.0
    assert first.due
    first.write({}, {})
    assert not first.due
    now = 1000.0
    second = Checkpoint(first.path, clock=lambda: now)
    second.read()
    assert second.seconds_before == 60.0
    now = 1005.0
    second.write({}, {})
    third = Checkpoint(first.path, clock=lambda: now)
    third.read()
    assert third.seconds_before == 65.0


def test_divergence_keeps_the_last_good_checkpoint(make, tmp_path, monkeypatch):
    honest, calls = torch.nn.functional.cross_entropy, 0

    def diverges(*given, **more):
        nonlocal calls
        calls += 1
        return honest(*given, **more) * (float("nan") if calls > 20 else 1.0)

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", diverges)
    with pytest.raises(RecipeError, match=r"step 21:.*Try rate: 0\.001.*good state is kept in"):
        make("finetune", **OPTIONS)

    [path] = kept(tmp_path, "cache")
    facts, tensors = Checkpoint(path).read()
    assert facts["step"] == 18
    assert all(bool(torch.isfinite(t).all()) for t in tensors.values())


def test_measuring_the_budget_draws_no_random_numbers(dropping):
    from sazon.adapt.softmax_regression import Head
    from sazon.adapt.training import Plan, Rows, Trainee
    from sazon.models.transformer import Encoder

    encoder = Encoder.load(dropping.path)
    trainee = Trainee(encoder, Head(weight=np.zeros((2, encoder.width)), bias=np.zeros(2)))
    encoder.backbone.requires_grad_(True)
    plan = Plan(
        rate=1e-3, head_rate=1e-3, layer_decay=1.0, weight_decay=0.0, warmup=0.1,
        batch_size=2, label_smoothing=0.0, steps=8, stop=8,
    )  # fmt: skip
    rows = Rows(ids=[[2, 5, 3], [2, 6, 3], [2, 7, 3]], truth=np.array([0, 1, 0]))
    before = torch.get_rng_state()

    assert seconds_per_step(trainee, rows, plan, name="it") > 0
    assert torch.equal(torch.get_rng_state(), before)
