"""Embeddings of a frozen base model, kept by content so that every text is encoded once a run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sazon.core.events import Emit, Event, silent
from sazon.core.seams import Base
from sazon.models.folder import read_arrays, write_arrays
from sazon.models.precision import choose_precision
from sazon.models.transformer import Encoder, Vectors


class Embedder:
    """The frozen encoder of one base with its cache on disk."""

    def __init__(self, base: Base, *, cache: Path, emit: Emit = silent, stage: str = "embed") -> None:
        """Load the base and choose its precision once per run.

        Args:
            base: the base model.
            cache: folder of the run for what can be made again.
            emit: takes progress in texts.
            stage: the name under which progress is told.
        """
        self.emit, self.stage = emit, stage
        self.base = base
        self.encoder = Encoder.load(base.path)
        self.precision = choose_precision(self.encoder, revision=base.revision, cache=cache)
        kind = f"{base.revision[:16]}-{self.precision}-{self.encoder.max_length}"
        self.folder = cache / "embeddings" / "2" / kind
        self.tokens = 0
        """Tokens encoded so far, what the cache held not counted."""
        self.cut = 0
        """Texts asked for that are longer than the encoder reads."""
        self.known: dict[bytes, Vectors] = {}
        self.lengths: dict[bytes, int] = {}
        for shard in sorted(self.folder.glob("*.npz")):
            arrays = read_arrays(shard)
            keys = [k.tobytes() for k in arrays["keys"]]
            self.known |= dict(zip(keys, arrays["vectors"], strict=True))
            self.lengths |= dict(zip(keys, arrays["lengths"].tolist(), strict=True))

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of all texts, shape (n, width); what the cache lacks is encoded and kept.

        Every batch has the same number of rows, so a text's vector does not depend on what
        the cache held before.
        """
        if not texts:
            return np.zeros((0, self.encoder.width), np.float32)
        keys = [_key(text) for text in texts]
        new = {k: text for k, text in zip(keys, texts, strict=True) if k not in self.known}
        if new:
            found = self.encoder.lengths(list(new.values()))
            self.lengths |= dict(zip(new, found.tolist(), strict=True))
            self.tokens += int(np.minimum(found, self.encoder.max_length).sum())
            self._keep(list(new), self._encode(list(new.values())))
        self.cut += sum(self.lengths[k] > self.encoder.max_length for k in keys)
        return np.stack([self.known[k] for k in keys])

    def _encode(self, texts: list[str]) -> Vectors:
        def told(done: int) -> None:
            self.emit(Event(stage=self.stage, message="embedding", done=done, total=len(texts)))

        return self.encoder.encode(texts, fixed_shape=True, told=told)

    def _keep(self, keys: list[bytes], vectors: Vectors) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(b"".join(keys)).hexdigest()[:16]
        stacked = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), -1)
        aside = self.folder / f".{name}"
        lengths = np.array([self.lengths[k] for k in keys])
        write_arrays(aside, {"keys": stacked, "vectors": vectors, "lengths": lengths})
        aside.replace(self.folder / f"{name}.npz")
        self.known |= dict(zip(keys, vectors, strict=True))


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
