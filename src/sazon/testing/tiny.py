"""A tiny BERT made on the spot: random weights, a vocabulary of single characters and a few words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sazon.core.seams import Base
from sazon.core.types import Dataset, Example, TrainingData

WORDS = (
    "card lost money refund open account close transfer late need help please my the want when "
    "tarjeta perdida dinero cuenta abrir cerrar quiero ayuda"
).split()


def tiny_encoder(directory: Path, *, seed: int = 0) -> Base:
    """Write an untrained two-layer BERT of width 32 with its tokenizer into `directory`.

    Args:
        directory: is made if missing.
        seed: of the random weights; the global generator of torch is left as it was.
    """
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import BertProcessing
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    from sazon.models.base import revision_of
    from sazon.models.transformer import quiet_transformers

    letters = "abcdefghijklmnopqrstuvwxyz0123456789?!.,'"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *letters, *(f"##{c}" for c in letters)]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - not a password
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",  # noqa: S106
        unk_token="[UNK]",  # noqa: S106
        cls_token="[CLS]",  # noqa: S106
        sep_token="[SEP]",  # noqa: S106
    )
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.2,
    )
    with torch.random.fork_rng(devices=[]), quiet_transformers():
        torch.manual_seed(seed)
        BertModel(config).save_pretrained(directory)
        wrapped.save_pretrained(directory)
    (directory / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 64}))
    return Base(
        name="tiny",
        path=directory,
        revision=revision_of(directory),
        source=f"path:{directory}",
        licence="CC0-1.0",
    )


def toy_task(*, rows: int = 120, seed: int = 0, split: int = 90) -> TrainingData:
    """A separable task of three classes told apart by one word each, fit and validation.

    Args:
        rows: how many in all.
        seed: of the random words around.
        split: how many of them are fit rows.
    """
    rng = np.random.default_rng(seed)
    telling = {"card": "card", "close_account": "close", "refund": "refund"}
    rest = [w for w in WORDS if w not in telling.values()]
    labels = tuple(sorted(telling))
    examples = []
    for i in range(rows):
        label = labels[i % 3]
        words = [str(w) for w in rng.choice(rest, size=int(rng.integers(2, 6)))]
        words.insert(int(rng.integers(0, len(words) + 1)), telling[label])
        examples.append(Example(id=f"toy{i}", input=" ".join(words), target=label))
    return TrainingData(
        fit=Dataset(name="toy", split="fit", examples=tuple(examples[:split]), public=True),
        validation=Dataset(name="toy", split="validation", examples=tuple(examples[split:]), public=True),
        labels=labels,
    )
