"""The shipped task: invented messages to the front desk of a small chain of clinics."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from sazon.data.config import DataConfig, Source


def path() -> Path:
    """Where the shipped CSV lies on this machine."""
    return Path(str(files(__name__) / "front_desk.csv"))


def config() -> DataConfig:
    """The `data` section of the shipped task."""
    return DataConfig(
        train=Source(path="package:demo"),
        input="text",
        target="intent",
        group="customer",
        site="branch",
        sensitivity="data_class",
        language="language",
        licence="Apache-2.0",
        public=True,
    )
