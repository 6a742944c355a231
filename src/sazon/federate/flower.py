"""Flower kept quiet: no telemetry, no update check, no files in the home folder, no text on the screen."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from sazon.core import registry
from sazon.core.events import Emit, Event


class _Events(logging.Handler):
    """Turns Flower's warnings into notes."""

    def __init__(self, emit: Emit, stage: str) -> None:
        """Pass on warnings and worse; Flower's running commentary says nothing that events do not."""
        super().__init__(level=logging.WARNING)
        self._emit, self._stage = emit, stage

    def emit(self, record: logging.LogRecord) -> None:
        """Make a note of a warning."""
        self._emit(Event(stage=self._stage, kind="note", message=f"Flower: {record.getMessage()}"))


@contextlib.contextmanager
def quiet_flower(*, home: Path, emit: Emit, stage: str) -> Iterator[None]:
    """Import Flower and hold it quiet until the end of the block.

    Args:
        home: folder for whatever Flower may want to write.
        emit: takes Flower's warnings as notes.
        stage: named in these notes.

    Raises:
        EnvironmentLacks: Flower is not installed.
    """
    quiet = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "FLWR_HOME": str(home)}
    before = {name: os.environ.get(name) for name in quiet}
    os.environ.update(quiet)
    try:
        _import_flower()
        logger = logging.getLogger("flwr")
        handlers, propagate = logger.handlers[:], logger.propagate
        logger.handlers, logger.propagate = [_Events(emit, stage)], False
        try:
            yield
        finally:
            logger.handlers, logger.propagate = handlers, propagate
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _import_flower() -> None:
    with warnings.catch_warnings():
        # Deprecations inside Flower's own dependencies (typer on click) are not ours to mend.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            import flwr.clientapp
            import flwr.serverapp.strategy  # noqa: F401
        except ModuleNotFoundError as error:
            raise registry.lacking(error.name or "flwr", purpose="a federated candidate") from error
