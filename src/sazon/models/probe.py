"""A linear head on a frozen encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sazon.core.errors import IntegrityError
from sazon.core.seams import Base, Capabilities
from sazon.core.types import Answers, Floats
from sazon.models.base import resolve_base
from sazon.models.folder import read_arrays, read_facts, write_arrays, write_facts
from sazon.models.softmax import answer, softmax
from sazon.models.transformer import Encoder, Vectors

HEAD = "head.npz"


class ProbePredictor:
    """softmax((W·z + b)/T), z the unit vector that the frozen base gives a text."""

    can: ClassVar[Capabilities] = Capabilities()

    def __init__(
        self,
        *,
        classes: tuple[str, ...],
        encoder: Encoder,
        weight: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
        temperature: float,
    ) -> None:
        """Keep encoder, weight (classes, width), bias (classes,) and temperature."""
        self.classes = classes
        self.encoder = encoder
        self.weight = weight
        self.bias = bias
        self.temperature = temperature

    @classmethod
    def load(cls, directory: Path) -> ProbePredictor:
        """Read head and base; the base must be the one the head was trained on.

        Raises:
            IntegrityError: the base's weights have changed.
            EnvironmentLacks: the base is not on this machine.
        """
        facts = read_facts(directory)
        head = read_arrays(directory / HEAD)
        base = _find_base(facts["base"], directory)
        encoder = Encoder.load(base.path, max_length=facts["max_length"], precision=facts["precision"])
        return cls(
            classes=tuple(facts["classes"]),
            encoder=encoder,
            weight=head["weight"],
            bias=head["bias"],
            temperature=float(facts["temperature"]),
        )

    def of_vectors(self, vectors: Vectors) -> Floats:
        """Probabilities (n, classes) from embeddings (n, width)."""
        return head_probabilities(vectors, self.weight, self.bias, temperature=self.temperature)

    def predict(self, inputs: Sequence[str]) -> Answers:
        """Answer each input, in order."""
        return answer(self.of_vectors(self.encoder.encode(inputs)), self.classes)


def head_probabilities(
    vectors: npt.NDArray[np.floating],
    weight: npt.NDArray[np.floating],
    bias: npt.NDArray[np.floating],
    *,
    temperature: float = 1.0,
) -> Floats:
    """softmax((vectors·weightᵀ + bias)/temperature), shape (n, classes)."""
    return softmax(vectors @ weight.T + bias, temperature=temperature)


def save_probe(
    directory: Path,
    *,
    base: Base,
    classes: Sequence[str],
    weight: npt.NDArray[np.floating],
    bias: npt.NDArray[np.floating],
    temperature: float,
    precision: str,
    max_length: int,
) -> None:
    """Write a head and the name of its base; the base's own weights are not copied."""
    facts: dict[str, Any] = {
        "classes": list(classes),
        "temperature": temperature,
        "precision": precision,
        "max_length": max_length,
        "base": {"name": base.name, "source": _portable(base), "revision": base.revision},
    }
    write_facts(directory, "probe", facts)
    arrays = {"weight": weight.astype(np.float32), "bias": bias.astype(np.float32)}
    write_arrays(directory / HEAD, arrays)


def _portable(base: Base) -> str:
    """A source that is found from any working directory."""
    return base.source if base.source.startswith("package:") else f"path:{base.path}"


def _find_base(facts: dict[str, str], directory: Path) -> Base:
    base = resolve_base(facts["name"], facts["source"], root=directory, offline=True, cache=directory)
    if base.revision != facts["revision"]:
        raise IntegrityError(
            f"the base model {facts['name']!r} is not the one this head was trained on",
            where=str(directory),
            mend="Put the old weights back, or run again.",
        )
    return base
