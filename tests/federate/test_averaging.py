"""Flower driven in one process does exactly the arithmetic of federated averaging."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sazon.core.errors import DataError, PluginError
from sazon.core.events import silent
from sazon.federate.flower import quiet_flower
from sazon.federate.sites import partition, pool

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIZES = st.dictionaries(
    st.text(min_size=1, max_size=5).filter(str.strip), st.integers(1, 9), min_size=2, max_size=4
)


def run(learner, sites, *, rounds, fraction=1.0, observe=lambda number, state: None):
    with quiet_flower(home=learner.cache / "flower", emit=silent, stage="federate.test"):
        from sazon.federate.coordinator import federate

        return federate(learner, sites, rounds=rounds, fraction=fraction, observe=observe)


def plain_average(learner, sites, rounds):
    """w ← Σ nᵢ wᵢ / Σ nᵢ, written down once more without Flower."""
    state = learner.start()
    total = sum(len(s.fit) for s in sites)
    for number in range(1, rounds + 1):
        local = [learner.train(state, s.fit, who=f"site {s.name}", round_number=number) for s in sites]
        state = {k: sum(len(s.fit) * u[k] for s, u in zip(sites, local, strict=True)) / total for k in state}
    return state


def close(left, right, *, tolerance=1e-12):
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_allclose(left[name], right[name], rtol=0, atol=tolerance)


def same(left, right):
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name])


@FEW
@given(sizes=SIZES, rounds=st.integers(1, 4), steps=st.integers(1, 3))
def test_equals_plain_federated_averaging(learner, training_data, sizes, rounds, steps):
    sites = partition(training_data(sizes), min_sites=2, where="")
    taught = learner(local_steps=steps, noise=0.01)
    close(run(taught, sites, rounds=rounds).state, plain_average(taught, sites, rounds))


@FEW
@given(sizes=SIZES, rounds=st.integers(1, 5))
def test_one_full_batch_step_a_round_is_centralised_gradient_descent(learner, training_data, sizes, rounds):
    """Σ nᵢ (w − η gᵢ) / N = w − η Σ nᵢ gᵢ / N: the weighted mean of site gradients is the pooled one."""
    sites = partition(training_data(sizes), min_sites=2, where="")
    taught = learner()
    central = taught.start()
    for number in range(1, rounds + 1):
        central = taught.train(central, pool(sites), who="central", round_number=number)
    close(run(taught, sites, rounds=rounds).state, central)
    assert any(np.abs(v).max() > 0 for v in central.values())


def test_unequal_sites_are_weighted_by_their_rows(learner, training_data):
    sites = partition(training_data({"big": 30, "small": 2}), min_sites=2, where="")
    taught = learner(local_steps=3)
    state = run(taught, sites, rounds=1).state
    local = [taught.train(taught.start(), s.fit, who=f"site {s.name}", round_number=1) for s in sites]
    close(state, {k: (30 * local[0][k] + 2 * local[1][k]) / 32 for k in state})
    assert np.abs(state["weight"] - (local[0]["weight"] + local[1]["weight"]) / 2).max() > 1e-3


def test_flowers_own_strategy_agrees(learner, training_data):
    """Our subclass only chooses who takes part; the arithmetic is Flower's."""
    sites = partition(training_data({"a": 5, "b": 9, "c": 2}), min_sites=2, where="")
    taught = learner(local_steps=2, noise=0.05)
    with quiet_flower(home=taught.cache, emit=silent, stage=""):
        from flwr.serverapp.strategy import FedAvg

        from sazon.federate.coordinator import pack, site_app, unpack
        from sazon.federate.grid import InProcessGrid, server_identity

        grid = InProcessGrid({s.name: site_app(taught, s) for s in sites})
        with server_identity():
            result = FedAvg(fraction_evaluate=0.0).start(
                grid=grid, initial_arrays=pack(taught.start()), num_rounds=3
            )
        theirs = unpack(result.arrays)
    same(run(taught, sites, rounds=3).state, theirs)


def test_order_of_sites_does_not_matter(learner, training_data):
    data = training_data({"norte": 6, "sur": 9, "este": 4})
    sites = partition(data, min_sites=2, where="")
    taught = learner(noise=0.1)
    state = run(taught, sites, rounds=3).state
    same(state, run(taught, sites[::-1], rounds=3).state)
    again = partition(
        replace(data, fit=replace(data.fit, examples=by_last_site_first(data.fit.examples))),
        min_sites=2,
        where="",
    )
    same(state, run(taught, again, rounds=3).state)
    assert {s.name: len(s.fit) for s in again} == {"norte": 6, "sur": 9, "este": 4}


def by_last_site_first(examples):
    """The sites in another order, the rows of each in the same."""
    return tuple(sorted(examples, key=lambda e: e.site, reverse=True))


def test_same_seed_same_numbers_and_another_seed_others(learner, training_data):
    sites = partition(training_data({"a": 5, "b": 7}), min_sites=2, where="")
    one = run(learner(noise=0.1, seed=0), sites, rounds=2).state
    same(one, run(learner(noise=0.1, seed=0), sites, rounds=2).state)
    other = run(learner(noise=0.1, seed=1), sites, rounds=2).state
    assert np.abs(one["weight"] - other["weight"]).max() > 0


def test_a_fraction_of_the_sites_takes_part_drawn_by_the_seed(learner, training_data, seen):
    sites = partition(training_data(dict.fromkeys("abcdef", 3)), min_sites=2, where="")
    taught = learner()
    state = run(taught, sites, rounds=4, fraction=0.5).state
    first = seen()
    same(state, run(taught, sites, rounds=4, fraction=0.5).state)
    assert seen() == first * 2
    by_round = [tuple(sorted(s for who in first[i : i + 3] for s in who)) for i in range(0, 12, 3)]
    assert len(first) == 12
    assert all(len(set(r)) == 3 for r in by_round)
    assert len(set(by_round)) > 1


def test_bytes_count_both_ways(learner, training_data):
    sites = partition(training_data({"a": 3, "b": 3, "c": 3}), min_sites=2, where="")
    taught = learner()
    done = run(taught, sites, rounds=2)
    numbers = sum(v.size for v in taught.start().values()) * 8
    ways = 2 * len(sites) * 2
    assert numbers * ways < done.communicated_bytes < numbers * ways + 400 * ways


def test_observed_before_the_first_and_after_every_round(learner, training_data):
    sites = partition(training_data({"a": 3, "b": 3}), min_sites=2, where="")
    taught = learner()
    seen = []
    done = run(taught, sites, rounds=3, observe=lambda number, state: seen.append((number, state)))
    assert [n for n, _ in seen] == [0, 1, 2, 3]
    same(seen[0][1], taught.start())
    same(seen[-1][1], done.state)


def test_a_site_that_diverges_stops_the_federation_and_is_named(learner, training_data):
    sites = partition(training_data({"a": 3, "b": 3}), min_sites=2, where="")
    with pytest.raises(DataError, match=r"diverged \('site b'\)"):
        run(learner(break_at="b"), sites, rounds=2)


def test_a_technique_that_changes_shapes_is_refused(learner, training_data):
    data = training_data({"a": 3, "b": 3})
    taught = learner()
    taught.technique.local_step = lambda state, *a, **k: {"weight": state["weight"][:1]}
    with pytest.raises(PluginError, match="names or shapes"):
        run(taught, partition(data, min_sites=2, where=""), rounds=1)


def test_every_site_and_round_has_a_random_stream_of_its_own(learner, training_data):
    rows = partition(training_data({"a": 3, "b": 3}), min_sites=2, where="")[0].fit
    taught = learner(noise=1.0)

    def noise(who, number):
        return tuple(taught.train(taught.start(), rows, who=who, round_number=number)["weight"].ravel())

    assert noise("site a", 1) == noise("site a", 1)
    assert len({noise("site a", 1), noise("site a", 2), noise("site b", 1), noise("pooled", 1)}) == 4


def test_a_site_cannot_reach_the_coordinators_memory(learner):
    taught = learner()
    with quiet_flower(home=taught.cache, emit=silent, stage=""):
        from flwr.app import Message, RecordDict
        from flwr.clientapp import ClientApp

        from sazon.federate.coordinator import pack, unpack
        from sazon.federate.grid import InProcessGrid, server_identity

        kept = {}

        def vandal(message, context):
            message.content["arrays"].clear()
            kept["reply"] = Message(RecordDict({"arrays": pack(taught.start())}), reply_to=message)
            return kept["reply"]

        app = ClientApp()
        app.train()(vandal)
        grid = InProcessGrid({"a": app})
        with server_identity():
            record = RecordDict({"arrays": pack(taught.start())})
            message = grid.create_message(record, "train", 2, "1")
            (reply,) = grid.send_and_receive([message])
        same(unpack(message.content["arrays"]), taught.start())
        kept["reply"].content["arrays"].clear()
        same(unpack(reply.content["arrays"]), taught.start())


def test_replies_come_in_the_order_of_sites_and_identity_is_put_back(learner, training_data):
    sites = partition(training_data({"a": 3, "b": 3}), min_sites=2, where="")
    taught = learner()
    with quiet_flower(home=taught.cache, emit=silent, stage=""):
        from flwr.app import RecordDict
        from flwr.supercore.task_identity import TaskIdentity

        from sazon.federate.coordinator import pack, site_app, unpack
        from sazon.federate.grid import InProcessGrid, server_identity

        before = TaskIdentity._run_id
        state = taught.start()
        grid = InProcessGrid({s.name: site_app(taught, s) for s in sites})
        with server_identity():
            from flwr.app import ConfigRecord

            record = RecordDict({"arrays": pack(state), "config": ConfigRecord({"server-round": 1})})
            nodes = list(grid.get_node_ids())
            messages = [grid.create_message(record, "train", n, "1") for n in reversed(nodes)]
            replies = list(grid.send_and_receive(messages))
        assert TaskIdentity._run_id == before
    assert [r.metadata.src_node_id for r in replies] == nodes
    assert len({r.metadata.message_id for r in replies}) == 2
    same(unpack(record["arrays"]), taught.start())
    assert not list(grid.pull_messages(["1", "2", "3"]))
