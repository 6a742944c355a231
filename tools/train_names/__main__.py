"""Train the tagger of names and write its weights: `python -m tools.train_names --data DIR`.

DIR holds `meddocan/train.jsonl`. All choices are made on its last documents, which `--trial` keeps out of the
training; without `--trial` all of it is learned and the weights are written into the package.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from tools.train_names import chat, examples
from tools.train_names.network import Net, Stream, fit

import sazon.policy.detect.names as names
from sazon.core.rng import integer, stream
from sazon.policy.detect.names.tagger import KINDS, Network, Tagger

PACKAGE = Path(names.__file__).parent
HELD_OUT = 75
"""Documents of MEDDOCAN train on which choices are made."""
OUTSIDE = 0.0
"""Subtracted from the logit of *outside*: above 0 it buys recall with precision. On the held-out documents
recall does not rise (97.5 % at 0, 0.5, 1 and 1.5) and precision falls (95.2, 94.2, 94.1, 93.5 %)."""


def scores(tagger: Tagger, texts: list[examples.Text]) -> dict[str, tuple[int, int, int]]:
    """By kind: spans found that are exact, spans found, spans there are."""
    counts = {kind: [0, 0, 0] for kind in KINDS}
    for text in texts:
        at, wanted = 0, set()
        for characters, kind in text:
            if kind:
                wanted.add((at, at + len(characters), kind))
            at += len(characters)
        found = {(s.start, s.end, s.kind) for s in tagger.find("".join(c for c, _ in text))}
        for place, some in enumerate((found & wanted, found, wanted)):
            for _, _, kind in some:
                counts[kind][place] += 1
    return {kind: (a, b, c) for kind, (a, b, c) in counts.items()}


def table(counts: dict[str, tuple[int, int, int]]) -> str:
    """Precision, recall and F1 in per cent, a kind a line."""

    def line(name: str, right: int, found: int, wanted: int) -> str:
        p, r, f = (100 * right / max(1, n) for n in (found, wanted, (found + wanted) / 2))
        return f"{name:14} P {p:5.1f}  R {r:5.1f}  F1 {f:5.1f}  of {wanted}"

    groups = {"all": KINDS, "names, places": ("PERSON", "PLACE", "POSTCODE", "ADDRESS")}
    rows = [line(kind, *counts[kind]) for kind in KINDS if counts[kind][2]]
    for name, kinds in groups.items():
        rows.append(line(name, *(sum(counts[kind][i] for kind in kinds) for i in range(3))))
    return "\n".join(rows)


def digest(data: Path) -> str:
    """SHA-256 over everything that is learned from: MEDDOCAN, the demo, the lists, the templates."""
    found = hashlib.sha256((data / "meddocan" / "train.jsonl").read_bytes())
    demo = Path(str(resources.files("sazon.data.demo") / "front_desk.csv"))
    for path in (demo, *sorted((PACKAGE / "lists").iterdir()), *sorted(chat.TEMPLATES.iterdir())):
        found.update(path.read_bytes())
    return found.hexdigest()


def packed(arrays: dict[str, np.ndarray]) -> bytes:
    """A compressed npz, the same bytes for the same arrays."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # its entries carry a fixed date
    return file.getvalue()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--messages", type=int, default=7000, help="chat messages an epoch")
    parser.add_argument("--trial", action="store_true", help="hold documents out, print scores on them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=PACKAGE)
    given = parser.parse_args()
    learned_from = digest(given.data)
    documents = examples.meddocan(given.data / "meddocan" / "train.jsonl")
    held_out = documents[-HELD_OUT:]
    if given.trial:
        documents = documents[:-HELD_OUT]
    random = stream(given.seed, "train_names.texts")
    torch.manual_seed(integer(stream(given.seed, "train_names.torch")))
    torch.set_num_threads(1)
    net, lay = Net(), Stream()

    def batches(epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        texts = []
        for document in documents:
            if random.random() < 0.5:
                text = examples.swapped(document, random) if random.random() < 0.4 else document
                texts.append(examples.styled(text, random, plain=0.8))
            for _ in range(2):
                text = examples.cut(document, random)
                text = examples.swapped(text, random) if random.random() < 0.5 else text
                texts.append(examples.styled(text, random))
        texts += [chat.message(random) for _ in range(given.messages)]
        return lay(texts, random)

    fit(net, given.epochs, batches, stream(given.seed, "train_names.thinned"))
    arrays = net.eval().arrays(OUTSIDE)
    tagger = Tagger(Network.of(arrays))
    if given.trial:
        for outside in (0.0, 0.5, 1.0, 1.5):
            trial = Tagger(Network.of(net.arrays(outside)))
            print(f"outside {outside}\n{table(scores(trial, held_out))}")
    print(table(scores(tagger, [chat.message(stream(1, f"check {i}")) for i in range(500)])))
    weights = packed(arrays)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "weights.npz").write_bytes(weights)
    record = {
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "data_sha256": learned_from,
        "held_out": HELD_OUT if given.trial else 0,
        "seed": given.seed, "epochs": given.epochs, "messages": given.messages, "outside": OUTSIDE,
        "torch": torch.__version__,
    }  # fmt: skip
    (given.out / "weights.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
