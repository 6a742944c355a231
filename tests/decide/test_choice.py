import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sazon.core.outlook import Outlook, Unknown
from sazon.core.types import Candidate, Costs, Estimate, Evaluation, QualityDraws
from sazon.core.words import LANGUAGES, catalogue
from sazon.decide import DecideConfig, choose, phrase, phrase_gate, verdict

WORLDS = 4000


def beta(accuracy, labels, seed):
    return np.random.default_rng(seed).beta(accuracy * labels, (1 - accuracy) * labels, WORLDS)


def setting(accuracies, fixed, use, *, kinds=None, placements=None, worth=100_000.0, labels=200):
    """Candidates with given draws and costs; `worth` is what errors cost if all were wrong."""
    names = tuple(accuracies)
    kinds = {n: (kinds or {}).get(n, "measured") for n in names}
    right = np.column_stack([np.broadcast_to(accuracies[n], (WORLDS,)) for n in names])
    quality = QualityDraws(values=right[:, :, None], candidates=names, metrics=("accuracy",), kinds=kinds)

    def column(held):
        return np.column_stack([np.broadcast_to(np.asarray(held[n], dtype=float), (WORLDS,)) for n in names])

    all_wrong = np.full((WORLDS, len(names)), worth)
    parts = {
        "fixed": column(fixed),
        "use": column(use),
        "errors": (1 - right) * all_wrong,
        "all_wrong": all_wrong,
    }
    values = parts["fixed"] + parts["use"] + parts["errors"]
    rows = [
        {"name": "demand.requests_per_day", "value": 1000.0},
        {"name": "value_of_error", "value": 0.5},
    ]
    summary = {
        n: {"total": Estimate(value=float(np.median(values[:, j])), low=0.0, high=1e9, level=0.8, unit="EUR")}
        for j, n in enumerate(names)
    }
    costs = Costs(
        values=values,
        candidates=names,
        currency="EUR",
        months=36,
        prices_as_of="2026-11-01",
        summary=summary,
        timeline={},
        inputs=tuple(rows),
        parts=parts,
        drawn={},
    )
    placed = placements or {}
    candidates = [
        Candidate(
            name=n, technique="t", placement=placed.get(n, "local"), providers=("p",) if n in placed else ()
        )
        for n in names
    ]
    evaluation = Evaluation(
        reference=names[0],
        margin=0.02,
        n=labels,
        clusters=None,
        estimates={},
        differences={},
        claims=(),
        slices=(),
        worst=(),
    )
    return candidates, evaluation, quality, costs


def same(names, value):
    return dict.fromkeys(names, value)


def decide(*args, consented=(), **config):
    return choose(DecideConfig(**config), *args, consented_providers=frozenset(consented))


def test_clearly_better_is_decided():
    case = setting({"a": beta(0.95, 2000, 1), "b": beta(0.80, 2000, 2)}, same("ab", 1000), same("ab", 0))
    decision = decide(*case)
    assert (decision.status, decision.choice) == ("decided", "a")
    assert decision.confidence.value > 0.99
    assert decision.labels_needed.value == 0
    assert decision.reasons[0].key == "verdict.decided"


def test_equal_candidates_never_beat_each_other_and_stay_undecided():
    draws = beta(0.9, 200, 1)
    decision = decide(*setting({"a": draws, "b": draws}, same("ab", 1000), same("ab", 0)))
    assert decision.status == "undecided"
    assert [p.value for _, p in decision.ranking] == pytest.approx([0.5, 0.5])
    assert decision.labels_needed.value is None
    assert "reason.tie" in [r.key for r in decision.reasons]


def close_call(labels):
    accuracies = {"a": beta(0.90, labels, 1), "b": beta(0.885, labels, 2)}
    return setting(accuracies, same("ab", 1000), same("ab", 0), labels=labels)


def test_a_close_call_says_how_many_labels_would_settle_it():
    decision = decide(*close_call(300))
    assert decision.status == "undecided"
    needed = decision.labels_needed.value
    # Two independent shares: sd of the difference with N labels is sqrt(.09 + .102)/sqrt(N);
    # P(a better) = 0.9 where the difference of means is 1.2816 of it.
    difference = close_call(300)[2].of("accuracy").mean(axis=0)
    total = (1.2816 * np.sqrt(0.09 + 0.885 * 0.115) / (difference[0] - difference[1])) ** 2
    assert needed == pytest.approx(total - 300, rel=0.1)
    assert "reason.labels" in [r.key for r in decision.reasons]


def test_the_more_labels_there_are_the_fewer_are_needed():
    needed = [decide(*close_call(n)).labels_needed.value for n in (200, 400, 800)]
    assert needed[0] > needed[1] > needed[2] >= 0


def test_labels_cannot_settle_what_is_uncertain_in_prices():
    coin = np.random.default_rng(3).normal(0, 5000, WORLDS)
    case = list(setting({"a": 0.9, "b": 0.9}, {"a": 5000, "b": 5000 + coin}, same("ab", 0)))
    case[3] = Costs(
        **{**{f: getattr(case[3], f) for f in case[3].__dataclass_fields__}, "drawn": {"pue": coin}}
    )
    decision = decide(*case)
    assert decision.status == "undecided"
    assert "not in labels" in decision.labels_needed.undefined
    last = next(r for r in decision.reasons if r.key == "reason.pin_down")
    assert last.values["driver"] == "pue"
    assert "power overhead" in phrase(last, "en")


@pytest.mark.parametrize(("placements", "driver"), [({}, "demand.requests_per_day"), ({"c": "cloud"}, "pue")])
def test_what_is_worth_most_to_know_is_named_where_the_gates_let_all_pass(placements, driver):
    coin = np.random.default_rng(3).normal(0, 5000, WORLDS)
    fixed = {"a": 5000, "b": 5000 + coin, "c": 90_000}
    candidates, evaluation, quality, costs = setting(
        same("abc", 0.9), fixed, same("abc", 0), placements=placements
    )
    worth = {"pue": 1.0, "demand.requests_per_day": 9.0}
    unknowns = tuple(
        Unknown(name=n, share=Estimate(value=0.5, unit="share"), worth=Estimate(value=w, unit="EUR"))
        for n, w in worth.items()
    )
    costs = replace(costs, drawn={"pue": coin}, outlook=Outlook(unknowns=unknowns))
    decision = decide(candidates, evaluation, quality, costs)
    last = next(r for r in decision.reasons if r.key == "reason.pin_down")
    assert last.values["driver"] == driver


def test_what_fails_a_gate_is_out_however_cheap():
    accuracies = {"local": beta(0.85, 500, 1), "cloud": beta(0.97, 500, 2)}
    case = setting(accuracies, same(accuracies, 1000), same(accuracies, 0), placements={"cloud": "cloud"})
    refused = decide(*case)
    assert (refused.choice, [n for n, _ in refused.ranking]) == ("local", ["local"])
    keys = [r.key for r in refused.reasons]
    assert "reason.gate" in keys
    assert "reason.excluded" in keys
    assert decide(*case, consented=["p"]).choice == "cloud"


def test_where_nobody_passes_there_is_no_choice():
    case = setting({"a": beta(0.85, 500, 1)}, same("a", 1000), same("a", 0), placements={"a": "cloud"})
    decision = decide(*case)
    assert (decision.status, decision.choice, decision.ranking) == ("undecided", None, ())
    assert decision.confidence.value is None
    for language in LANGUAGES:
        assert verdict(decision, language)


def test_the_demand_and_error_price_that_flip_the_choice_are_found():
    # a: 1,000 fixed; b: 3,000 fixed but one point better, worth 1,000: b leads from demand × 2 on.
    case = setting({"a": 0.90, "b": 0.91}, {"a": 1000, "b": 3000}, same("ab", 0))
    decision = decide(*case)
    assert decision.choice == "a"
    flips = {f.key: f.values for f in decision.flips}
    assert flips["flip.demand_above"]["requests_count"] == pytest.approx(2000, rel=0.01)
    assert flips["flip.error_above"]["error_price"] == pytest.approx(1.0, rel=0.01)
    assert flips["flip.demand_above"]["other"] == "b"
    assert "above 2,000 requests a day b takes over" in verdict(decision, "en")
    assert "por encima de 2.000 consultas al día b pasa al primer lugar" in verdict(decision, "es")


def test_how_good_an_assumed_candidate_would_have_to_be():
    # b costs 2,000 more; errors cost 100,000 if all wrong: it must be two points better than 0.9.
    case = setting(
        {"a": 0.90, "b": beta(0.85, 300, 4)}, {"a": 1000, "b": 3000}, same("ab", 0), kinds={"b": "assumed"}
    )
    decision = decide(*case)
    flip = next(f for f in decision.flips if f.key == "flip.accuracy_needed")
    assert flip.values["needed_accuracy"] == pytest.approx(0.92)
    assert flip.values["name"] == "b"
    dear = setting(
        {"a": 0.90, "b": beta(0.85, 300, 4)}, {"a": 1000, "b": 30000}, same("ab", 0), kinds={"b": "assumed"}
    )
    assert "flip.accuracy_never" in [f.key for f in decide(*dear).flips]


def test_an_accuracy_that_some_futures_put_out_of_reach_is_told_as_such():
    case = setting(
        {"a": beta(0.90, 50, 3), "b": beta(0.85, 300, 4)},
        {"a": 1000, "b": 8000},
        same("ab", 0),
        kinds={"b": "assumed"},
    )
    decision = decide(*case)
    flip = next(f for f in decision.flips if f.key.startswith("flip.accuracy"))
    assert flip.key == "flip.accuracy_needed_open"
    for language, words in (("en", "more than any accuracy can reach"), ("es", "ninguna exactitud alcanza")):
        assert words in phrase(flip, language)
        assert verdict(decision, language)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0.5, 0.99), min_size=2, max_size=5),
    st.lists(st.floats(0, 5000), min_size=5, max_size=5),
)
def test_shares_sum_to_one_and_the_choice_leads(accuracies, fixed):
    names = "abcde"[: len(accuracies)]
    draws = {n: beta(a, 150, i) for i, (n, a) in enumerate(zip(names, accuracies, strict=True))}
    decision = decide(*setting(draws, dict(zip("abcde", fixed, strict=True)), same(names, 0)))
    shares = [p.value for _, p in decision.ranking]
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    assert decision.choice == decision.ranking[0][0]
    assert (decision.status == "decided") == (shares[0] >= 0.9)
    for language in LANGUAGES:
        text = verdict(decision, language)
        assert decision.choice in text
        assert "{" not in text + "".join(phrase(r, language) for r in decision.reasons + decision.flips)
        assert all(phrase_gate(g, language) for g in decision.gates)


def test_the_two_languages_say_the_same_things():
    english, spanish = (catalogue("sazon.decide", language) for language in ("en", "es"))
    assert english.keys() == spanish.keys()
    for key in english:
        named = re.compile(r"{(\w+)}")
        assert set(named.findall(english[key])) == set(named.findall(spanish[key])), key


@pytest.mark.parametrize(
    "wrong", [{"confidence": 1.0}, {"require": {"accuracy": 1.2}}, {"weights": "known"}, {"confidance": 0.9}]
)
def test_a_wrong_section_is_refused_by_decide(wrong):
    with pytest.raises(ValidationError):
        DecideConfig.model_validate(wrong)
