"""SetFit on a few-shot split of Banking77, in its own environment: seconds of training, then the test set.

python setfit_few_shot.py --data DIR --split few_shot_10.json --base FOLDER --seed 0 --out FILE.json
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path


def read(path: Path) -> list[dict[str, str]]:
    """All rows of a table."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Train, time it, and only then open the test file."""
    parser = argparse.ArgumentParser()
    for name in ("data", "base", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--split", required=True)
    parser.add_argument("--seed", type=int, required=True)
    given = parser.parse_args()
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    rows = read(given.data / "train.csv")
    chosen = [rows[i] for i in json.loads((given.data / given.split).read_text("utf-8"))]
    labels = sorted({r["category"] for r in rows})
    columns = {"text": [r["text"] for r in chosen], "label": [labels.index(r["category"]) for r in chosen]}
    began = time.perf_counter()
    model = SetFitModel.from_pretrained(str(given.base))
    arguments = TrainingArguments(
        batch_size=16,
        num_epochs=1,
        num_iterations=20,
        seed=given.seed,
        report_to="none",
        save_strategy="no",
        output_dir=str(given.out.parent / "setfit"),
    )
    Trainer(model=model, args=arguments, train_dataset=Dataset.from_dict(columns)).train()
    seconds = time.perf_counter() - began
    test = read(given.data / "test.csv")
    answers = [int(a) for a in model.predict([r["text"] for r in test])]
    right = [int(labels[a] == r["category"]) for a, r in zip(answers, test, strict=True)]
    given.out.write_text(json.dumps({"seconds": seconds, "right": right}), encoding="utf-8")


if __name__ == "__main__":
    main()
