"""The panel: several predictors answer every input, and the panel answers with what they agree on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from sazon.core.errors import IntegrityError
from sazon.core.seams import Capabilities, Predictor
from sazon.core.types import Answers, Floats
from sazon.models.folder import read_facts, write_facts
from sazon.models.member import Member, answered
from sazon.models.unknown import UNKNOWN

Rule = Literal["average", "vote"]

NO_QUORUM = "fewer than half of the panel answered"


def rule_for(members: Sequence[Predictor]) -> Rule:
    """`average` where all members give probabilities over the same classes, else `vote`."""
    comparable = all(m.can.probabilities and set(m.classes) == set(members[0].classes) for m in members)
    return "average" if comparable and members[0].classes else "vote"


class PanelPredictor:
    """Asks all members and averages their probabilities, or lets them vote.

    A member without an answer, or that says `unknown`, has no voice; where fewer than half of the
    members have one, the answer is an error.
    """

    def __init__(self, members: Mapping[str, Predictor], *, rule: Rule) -> None:
        """Keep the members by name; `average` needs probabilities over the same classes from all.

        Raises:
            ValueError: fewer than two members, or members that cannot be averaged.
        """
        self.names, self.parts = tuple(members), tuple(members.values())
        if len(self.parts) < 2:
            raise ValueError("a panel needs at least two members")
        if rule == "average" and rule_for(self.parts) != "average":
            raise ValueError("only probabilities over the same classes can be averaged")
        self.rule = rule
        self.classes = tuple(dict.fromkeys(c for member in self.parts for c in member.classes))
        here = any(member.can.runs_here for member in self.parts)
        self.can = Capabilities(probabilities=rule == "average", runs_here=here)

    @classmethod
    def load(cls, directory: Path) -> PanelPredictor:
        """Read the panel and its members.

        Raises:
            IntegrityError: not a panel, or a member is missing or changed.
        """
        facts = read_facts(directory)
        try:
            members, rule = [Member.from_json(m) for m in facts["members"]], facts["rule"]
            if rule not in ("average", "vote"):
                raise ValueError(rule)
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(
                "not a valid panel", where=str(directory), mend="Remove its folder and run again."
            ) from error
        return cls({m.name: m.load(directory) for m in members}, rule=rule)

    @staticmethod
    def save(directory: Path, *, members: Sequence[Member], rule: Rule, classes: Sequence[str]) -> None:
        """Write the panel; its members stay where they are."""
        facts = {"members": [m.to_json() for m in members], "rule": rule, "classes": list(classes)}
        write_facts(directory, "panel", facts)

    def predict(self, inputs: Sequence[str]) -> Answers:
        """Answer each input, in order; every member is asked everything and all of it is paid for."""
        given = [member.predict(inputs) for member in self.parts]
        voices = np.column_stack([self._has_voice(answers) for answers in given])
        if self.rule == "average":
            labels, confidence, chances = self._average(given, voices)
        else:
            labels, confidence, chances = *_vote(given, voices), None
        enough = voices.mean(axis=1) >= 0.5
        return Answers(
            labels=tuple(label if ok else "" for label, ok in zip(labels, enough, strict=True)),
            confidence=np.where(enough, confidence, np.nan),
            probabilities=chances,
            classes=self.classes,
            errors=tuple(None if ok else NO_QUORUM for ok in enough),
            tokens=self._sum("tokens", given),
            money=self._sum("money", given),
            seconds=self._sum("seconds", given),
        )

    def _has_voice(self, answers: Answers) -> npt.NDArray[np.bool_]:
        heard = answered(answers)
        if self.rule == "average" or UNKNOWN in self.classes:
            return heard
        voices: npt.NDArray[np.bool_] = heard & np.array([x != UNKNOWN for x in answers.labels], dtype=bool)
        return voices

    def _average(
        self, given: Sequence[Answers], voices: npt.NDArray[np.bool_]
    ) -> tuple[list[str], Floats, Floats]:
        """The likeliest class by the mean probability of the members that answered."""
        total = np.zeros((len(voices), len(self.classes)))
        for j, (member, answers) in enumerate(zip(self.parts, given, strict=True)):
            chances = answers.probabilities
            if chances is None:
                raise ValueError(f"{self.names[j]!r} gave no probabilities")
            columns = [member.classes.index(c) for c in self.classes]
            total += np.where(voices[:, [j]], chances[:, columns], 0.0)
        chances = total / np.maximum(voices.sum(axis=1, keepdims=True), 1)
        best = chances.argmax(axis=1)
        return [self.classes[i] for i in best], chances.max(axis=1), chances

    def _sum(self, name: Literal["tokens", "money", "seconds"], given: Sequence[Answers]) -> Floats:
        """What all members took together; work done here takes no tokens, money or time elsewhere."""
        rows = len(given[0].labels)
        total = np.zeros(rows)
        for member, answers in zip(self.parts, given, strict=True):
            column = getattr(answers, name)
            unknown = 0.0 if member.can.runs_here else np.nan
            total += np.full(rows, unknown) if column is None else column
        return total


def _vote(given: Sequence[Answers], voices: npt.NDArray[np.bool_]) -> tuple[list[str], Floats]:
    """The answer most members give, and the share of all members that give it.

    Equal votes go to the answer with the greater sum of confidence, then to the earlier member's.
    """
    n, members = voices.shape
    number: dict[str, int] = {}
    codes = np.array([[number.setdefault(x, len(number)) for x in a.labels] for a in given]).T
    agree = (codes.reshape(n, members, 1) == codes.reshape(n, 1, members)) & voices[:, None, :]
    sure = np.column_stack([np.nan_to_num(a.confidence, nan=0.0) for a in given])
    votes = agree.sum(axis=2)
    # The confidences of all members add up to less than one vote.
    worth = votes + (agree * sure[:, None, :]).sum(axis=2) / (members + 1)
    first = np.where(voices, worth, -1.0).argmax(axis=1) if n else np.zeros(0, dtype=np.int64)
    rows = np.arange(n)
    labels = [given[j].labels[i] for i, j in zip(rows, first, strict=True)]
    return labels, votes[rows, first] / members
