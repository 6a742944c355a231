"""The tagger as a torch module: the same sums as in `sazon.policy.detect.names.tagger`, to be fitted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tools.train_names.examples import Text
from tools.train_names.values import Random
from torch import nn

from sazon.policy.detect.names.features import IDENTITY, LISTED, ROWS, SURFACE, features, tokens
from sazon.policy.detect.names.tagger import CONVOLUTIONS, KINDS, LABELS, REACH

WIDTH, HIDDEN = 48, 64
BATCH = 1500
"""Words of a step."""


class Net(nn.Module):
    """Sum of features, convolutions without padding, labels."""

    def __init__(self) -> None:
        """Random weights."""
        super().__init__()
        self.table = nn.EmbeddingBag(ROWS, WIDTH, mode="sum", padding_idx=0, sparse=True)
        nn.init.normal_(self.table.weight, std=0.1)
        with torch.no_grad():
            self.table.weight[0] = 0
        self.convolutions = nn.ModuleList(
            nn.Conv1d(HIDDEN if i else WIDTH, HIDDEN, width, dilation=dilation)
            for i, (width, dilation) in enumerate(CONVOLUTIONS)
        )
        self.head = nn.Linear(HIDDEN, LABELS)
        self.drop = nn.Dropout(0.2)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Logits (words - 2 REACH, labels) of features (words, features)."""
        x = self.drop(self.table(rows)).T[None]
        for i, (convolution, (width, dilation)) in enumerate(
            zip(self.convolutions, CONVOLUTIONS, strict=True)
        ):
            inner = (width - 1) // 2 * dilation
            y = torch.relu(convolution(x))
            x = y + x[:, :, inner : x.shape[2] - inner] if i else y
        return self.head(self.drop(x[0].T))

    def arrays(self, outside: float) -> dict[str, np.ndarray]:
        """What is shipped: the table in eight bits, the rest in half precision."""
        table = self.table.weight.detach().numpy()
        scale = np.maximum(np.abs(table).max(0), 1e-8) / 127
        found = {"table": np.round(table / scale).astype(np.int8), "scale": scale.astype(np.float32)}
        for i, convolution in enumerate(self.convolutions):
            found[f"kernel{i}"] = (
                convolution.weight.detach().numpy().transpose(2, 1, 0).reshape(-1, HIDDEN).astype(np.float16)
            )
            found[f"bias{i}"] = convolution.bias.detach().numpy().astype(np.float16)
        bias = self.head.bias.detach().numpy().copy()
        bias[0] -= outside
        return found | {
            "head": self.head.weight.detach().numpy().T.astype(np.float16),
            "head_bias": bias.astype(np.float16),
        }


def labelled(text: Text) -> tuple[list[str], list[int]]:
    """Words of a text and the label of each."""
    whole = "".join(characters for characters, _ in text)
    kinds, firsts, at = bytearray(len(whole)), set(), 0
    for characters, kind in text:
        if kind:
            kinds[at : at + len(characters)] = bytes([1 + KINDS.index(kind)]) * len(characters)
            firsts.add(at)
        at += len(characters)
    words, labels, before = [], [], 0
    for word, start, end in tokens(whole):
        kind = 0 if "\n" in word else max(kinds[start:end])
        # A word that holds the beginning of a span begins it, even where it reaches further to the left.
        begins = kind and (kind != before or any(i in firsts for i in range(start, end)))
        words.append(word)
        labels.append(0 if not kind else 2 * kind - 1 if begins else 2 * kind)
        before = kind
    return words, labels


class Stream:
    """Texts as rows of features and labels, laid end to end with room for the context between."""

    def __init__(self) -> None:
        """No word is known yet."""
        self.known: dict[str, int] = {"": 0}
        self.rows: list[list[int]] = [[0] * len(features("a"))]

    def __call__(self, texts: Sequence[Text], random: Random) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Indices of words, their labels (-1: no word) and the rows of features by index."""
        words, labels = [0] * REACH, [-1] * REACH
        for i in random.permutation(len(texts)):
            found, wanted = labelled(texts[int(i)])
            for word in found:
                if word not in self.known:
                    self.known[word] = len(self.rows)
                    self.rows.append(features(word))
            words += [self.known[word] for word in found] + [0] * REACH
            labels += wanted + [-1] * REACH
        return np.array(words), np.array(labels), np.array(self.rows)


def thinned(rows: np.ndarray, random: Random) -> np.ndarray:
    """Features with some left out: the word itself and the lists most often."""
    rows = rows.copy()
    n = len(rows)
    rows[random.random(n) < 0.3, IDENTITY] = 0
    rows[random.random(n) < 0.3, LISTED] = 0
    rows[random.random(n) < 0.05, SURFACE] = 0
    rows[random.random(rows.shape) < 0.05] = 0
    return rows


def fit(net: Net, epochs: int, batches: object, random: Random, *, rate: float = 4e-3) -> None:
    """Fit with Adam and a rate that rises and falls; `batches(epoch)` gives (words, labels, rows)."""
    dense = [parameter for name, parameter in net.named_parameters() if not name.startswith("table")]
    optimisers = [torch.optim.SparseAdam(net.table.parameters()), torch.optim.AdamW(dense, weight_decay=1e-3)]
    for epoch in range(epochs):
        words, labels, rows = batches(epoch)  # type: ignore[operator]
        total, steps = 0.0, max(1, len(words) // BATCH)
        for step in range(steps):
            done = (epoch + step / steps) / epochs
            for group in (group for optimiser in optimisers for group in optimiser.param_groups):
                group["lr"] = rate * min(1.0, done * 20 + 0.05) * (1 - done) + 1e-5
            start = step * BATCH
            chosen = thinned(rows[words[start : start + BATCH + 2 * REACH]], random)
            wanted = labels[start + REACH : start + len(chosen) - REACH]
            logits = net(torch.from_numpy(chosen))
            loss = nn.functional.cross_entropy(logits, torch.from_numpy(wanted), ignore_index=-1)
            net.zero_grad()
            loss.backward()
            for optimiser in optimisers:
                optimiser.step()
            total += float(loss.detach())
        print(f"epoch {epoch + 1}/{epochs}: {len(words)} words, loss {total / steps:.4f}", flush=True)
