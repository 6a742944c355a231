"""Rows of people who did not opt in are left out and counted; whose rows entered what is remembered."""

from hypothesis import given
from hypothesis import strategies as st

from sazon.core.dataset import DataClass, Dataset, Example
from sazon.policy.config import PolicyConfig
from sazon.policy.consent import Consents
from sazon.policy.lineage import Lineage
from sazon.policy.opted_in import opted_in

from .conftest import consent

NOW = 1500.0
POLICY = PolicyConfig(opt_in=["adapt"])


def rows(*facts, public=False) -> Dataset:
    examples = tuple(
        Example(id=str(i), input=f"text {i}", target="a", subject=subject, sensitivity=data_class, site=site)
        for i, (subject, data_class, site) in enumerate(facts)
    )
    return Dataset(name="d", split="fit", examples=examples, public=public)


def kept(dataset, *records, purpose="adapt", **more):
    found, left_out = opted_in(dataset, purpose, Consents.of(records), POLICY, now=NOW, **more)
    assert left_out.rows + len(found) == left_out.of == len(dataset)
    return found.ids, left_out


def adapt(subject="ana", **changes):
    return consent(**{"subject": subject, "purpose": "adapt", "recipient": "", "id": subject} | changes)


def test_only_who_opted_in_is_learnt_from():
    data = rows(
        ("ana", DataClass.PERSONAL, None),
        ("luis", DataClass.PERSONAL, None),
        ("ana", DataClass.SPECIAL, None),
    )
    ids, left_out = kept(data, adapt())
    assert ids == ["0"]
    assert (left_out.rows, left_out.people) == (2, 2)


def test_unknown_is_left_out_and_public_is_not():
    data = rows((None, DataClass.PERSONAL, None), ("ana", None, None), (None, DataClass.PUBLIC, None))
    ids, left_out = kept(data, adapt())
    assert ids == ["2"]
    assert left_out.people == 1
    assert kept(rows((None, None, None), public=True))[0] == ["0"]


def test_the_organisations_own_rows_need_its_own_word():
    data = rows((None, DataClass.INTERNAL, None))
    assert kept(data)[0] == []
    assert kept(data, adapt("organisation", classes=frozenset({DataClass.INTERNAL})))[0] == ["0"]


def test_a_site_is_a_recipient():
    data = rows(("ana", DataClass.PERSONAL, "north"), ("ana", DataClass.PERSONAL, "south"))
    ids, _ = kept(
        data, adapt(purpose="federate", recipient="north"), purpose="federate", recipient=lambda row: row.site
    )
    assert ids == ["0"]


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(list(DataClass))), max_size=20),
       st.sets(st.sampled_from(["a", "b", "c"])))  # fmt: skip
def test_no_row_of_anybody_else_is_ever_kept(facts, willing):
    data = rows(*((s, c, None) for s, c in facts))
    found, _ = opted_in(data, "adapt", Consents.of(adapt(name) for name in willing), POLICY, now=NOW)
    for row in found.examples:
        assert row.sensitivity is DataClass.PUBLIC or (
            row.subject in willing and row.sensitivity is DataClass.PERSONAL
        )


def test_lineage_names_what_a_persons_rows_entered(store):
    lineage = Lineage(store, name_of=lambda subject: f"#{subject[::-1]}")
    about = {"run": "r1", "candidate": "linear", "purpose": "adapt", "artifact": "ab" * 32}
    lineage.note(["ana", "luis"], **about)
    lineage.note(["ana"], **about)
    lineage.note(["ana"], **about | {"candidate": "tuned"})
    assert lineage.made_with("ana") == (
        "r1/linear (adapt, abababababababab)",
        "r1/tuned (adapt, abababababababab)",
    )
    assert lineage.made_with("luis") == ("r1/linear (adapt, abababababababab)",)
    assert lineage.made_with("eva") == ()
    lineage.note([], **about)
