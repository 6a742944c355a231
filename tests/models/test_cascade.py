"""The cascade predictor: who answers, what is asked of the other, and when it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from sazon.core import digest
from sazon.core.errors import IntegrityError
from sazon.core.seams import Capabilities
from sazon.core.types import Answers
from sazon.models import load_folder
from sazon.models.cascade import CascadePredictor, Member, trust_features, trust_of
from sazon.models.majority import MajorityPredictor
from sazon.stats.logistic import Logistic

# Harm falls with the logit of the confidence: trust = confidence.
PLAIN = Logistic(mean=np.zeros(3), scale=np.ones(3), coefficients=np.array([-1.0, 0.0, 0.0]), intercept=0.0)


class Says:
    """Answers with the text itself; sure where it begins with `easy`, silent where with `mute`."""

    def __init__(self, mark: str, *, here: bool = True) -> None:
        self.mark, self.asked = mark, []
        self.can = Capabilities(probabilities=False, runs_here=here)
        self.classes = ("a",)

    def predict(self, inputs: Sequence[str]) -> Answers:
        self.asked += list(inputs)
        return Answers(
            labels=tuple(f"{self.mark}:{text}" for text in inputs),
            confidence=np.array([0.95 if t.startswith("easy") else 0.4 for t in inputs]),
            errors=tuple("no answer" if t.startswith("mute") else None for t in inputs),
            tokens=None if self.can.runs_here else np.full(len(inputs), 7.0),
        )


def cascade(threshold: float | None, *, cloud_here: bool = False) -> CascadePredictor:
    return CascadePredictor(
        ("near", Says("n")), ("far", Says("f", here=cloud_here)), threshold=threshold, harm=PLAIN
    )


def test_only_deferred_inputs_reach_the_other():
    both = cascade(0.9)
    found = both.predict(["easy 1", "hard", "easy 2"])
    assert found.labels == ("n:easy 1", "f:hard", "n:easy 2")
    assert found.routed == ("near", "far", "near")
    assert both.cloud.asked == ["hard"]
    assert found.tokens.tolist() == [0.0, 7.0, 0.0]
    assert np.isnan(found.seconds[1])
    assert found.seconds[0] == 0.0


def test_without_a_certificate_everything_is_deferred():
    both = cascade(None)
    assert both.predict(["easy", "hard"]).routed == ("far", "far")


def test_nothing_deferred_asks_nothing():
    both = cascade(0.0)
    assert both.predict(["easy", "hard"]).routed == ("near", "near")
    assert both.cloud.asked == []


def test_a_missing_local_answer_is_deferred_and_a_missing_other_is_an_error():
    both = cascade(0.0, cloud_here=True)
    found = both.predict(["mute", "easy"])
    assert found.routed == ("far", "near")
    assert found.errors == ("no answer", None)


def test_no_inputs_give_no_answers():
    assert cascade(0.5).predict([]).labels == ()


def test_trust_falls_with_entropy_features_and_is_refused_without_confidence():
    chances = np.array([[0.98, 0.01, 0.01], [0.4, 0.35, 0.25]])
    answers = Answers(
        labels=("a", "a"), confidence=chances.max(axis=1), probabilities=chances, classes=("a", "b", "c")
    )
    features = trust_features(answers)
    assert (features[0] - features[1] > 0).tolist() == [True, True, False]
    assert features[1, 1] == pytest.approx(0.05)
    unsure = Answers(labels=("a",), confidence=np.array([np.nan]))
    assert trust_of(unsure, PLAIN).tolist() == [-1.0]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    members = []
    for name, shares in (("near", [0.9, 0.1]), ("far", [0.2, 0.8])):
        MajorityPredictor(("a", "b"), np.array(shares)).save(tmp_path / name)
        members.append(Member(name=name, path=Path("..") / name, digest=digest.of_folder(tmp_path / name)))
    CascadePredictor.save(
        tmp_path / "both", local=members[0], cloud=members[1], threshold=0.5, harm=PLAIN, classes=("a", "b")
    )
    return tmp_path


def test_it_is_loaded_with_its_members_and_moves_with_them(saved):
    found = load_folder(saved / "both").predict(["x"])
    assert (found.labels, found.routed) == (("a",), ("near",))
    moved = saved.rename(saved.with_name("elsewhere"))
    assert load_folder(moved / "both").predict(["x"]).labels == ("a",)


@pytest.mark.parametrize("member", ["near", "far"])
def test_a_changed_or_missing_member_voids_it(saved, member):
    path = saved / member / "predictor.json"
    path.write_text(path.read_text("utf-8") + " ", "utf-8")
    with pytest.raises(IntegrityError, match="certif"):
        load_folder(saved / "both")
    path.unlink()
    path.parent.rmdir()
    with pytest.raises(IntegrityError, match="certif"):
        load_folder(saved / "both")


def test_a_broken_cascade_file_is_refused(saved):
    (saved / "both" / "predictor.json").write_text('{"predictor": "cascade"}', "utf-8")
    with pytest.raises(IntegrityError, match="not a valid cascade"):
        load_folder(saved / "both")
