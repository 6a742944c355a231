"""A fine-tuned transformer with its own weights and head."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from sazon.core.run import write_aside
from sazon.core.seams import Capabilities
from sazon.core.types import Answers, Floats
from sazon.models.folder import read_arrays, read_facts, write_arrays, write_facts
from sazon.models.probe import HEAD, head_probabilities
from sazon.models.softmax import answer
from sazon.models.transformer import Encoder


class EncoderPredictor:
    """softmax((W·z + b)/T), z the unit vector that the tuned encoder gives a text."""

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
    def load(cls, directory: Path) -> EncoderPredictor:
        """Read encoder and head from their folder."""
        facts = read_facts(directory)
        encoder = Encoder.load(directory, max_length=facts["max_length"], precision=facts["precision"])
        head = read_arrays(directory / HEAD)
        return cls(
            classes=tuple(facts["classes"]),
            encoder=encoder,
            weight=head["weight"],
            bias=head["bias"],
            temperature=float(facts["temperature"]),
        )

    def save(self, directory: Path) -> None:
        """Write weights and tokenizer in Hugging Face layout, the head beside them."""
        self.encoder.save(directory)
        pooling = directory / "1_Pooling"
        pooling.mkdir(exist_ok=True)
        first = self.encoder.pooling == "cls"
        modes = {"pooling_mode_cls_token": first, "pooling_mode_mean_tokens": not first}
        write_aside(pooling / "config.json", json.dumps(modes))
        write_arrays(directory / HEAD, {"weight": self.weight, "bias": self.bias})
        facts = {
            "classes": list(self.classes),
            "temperature": self.temperature,
            "precision": self.encoder.precision,
            "max_length": self.encoder.max_length,
        }
        write_facts(directory, "encoder", facts)

    def predict(self, inputs: Sequence[str]) -> Answers:
        """Answer each input, in order."""
        return answer(self.probabilities(inputs), self.classes)

    def probabilities(self, inputs: Sequence[str]) -> Floats:
        """Shape (n, classes)."""
        vectors = self.encoder.encode(inputs)
        return head_probabilities(vectors, self.weight, self.bias, temperature=self.temperature)
