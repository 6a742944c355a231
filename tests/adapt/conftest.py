"""A tiny base, a toy task and a way to make a candidate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sazon.core import registry
from sazon.core.events import Event
from sazon.core.seams import Base, Job
from sazon.core.types import Candidate, TrainingData
from sazon.testing.tiny import tiny_encoder, toy_task

Make = Callable[..., Candidate]


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return tiny_encoder(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture(scope="session")
def data() -> TrainingData:
    return toy_task(rows=180, split=135)


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def make(base: Base, data: TrainingData, tmp_path: Path, events: list[Event]) -> Make:
    """Make a candidate: make("transfer", data=…, seed=…, parents=…, **options)."""
    made = 0

    def run(
        technique: str,
        *,
        data: TrainingData = data,
        seed: int = 0,
        parents: Mapping[str, Candidate] | None = None,
        cache: str = "cache",
        base: Base | None = base,
        with_base: bool = False,
        **options: Any,
    ) -> Candidate:
        nonlocal made
        made += 1
        kind = registry.load("technique", technique)()
        asked = kind.Config.model_fields.get("base")
        if asked is not None and (asked.is_required() or with_base):
            options |= {"base": "tiny"}
        directory = tmp_path / f"{technique}-{made}"
        directory.mkdir()
        job = Job(
            name=technique,
            directory=directory,
            cache=tmp_path / cache,
            rng=np.random.default_rng(seed),
            emit=events.append,
        )
        config = kind.Config(**options)
        return kind.adapt(config, base=base, data=data, parents=parents or {}, job=job)

    return run
