"""The vault gives back what was put, to nobody else, and never again once it was erased."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from sazon.core.errors import EnvironmentLacks, IntegrityError, SazonError
from sazon.core.store import Store
from sazon.policy import vault as vaults
from sazon.policy.keys import ring_file
from sazon.policy.keys.keyring import Keyring
from sazon.policy.keys.recovery import RecoveryPrivate, fresh_pair
from sazon.policy.keys.source import LocalKey, create_source
from sazon.policy.vault import NotInVault, Vault

CANARY = b"canary-7K2QX9"
OLD, NEW = LocalKey(bytes(31) + b"o"), LocalKey(bytes(31) + b"n")


@dataclass(frozen=True, kw_only=True)
class Made:
    """A vault and all it stands on."""

    store: Store
    folder: Path
    offline: RecoveryPrivate
    keyring: Keyring
    vault: Vault

    def again(self, source: LocalKey = OLD) -> Vault:
        """As another process would open it."""
        return Vault(self.store, Keyring.open(self.folder, source))


def make(store: Store, folder: Path) -> Made:
    offline, public = fresh_pair()
    keyring = Keyring.create(folder, OLD, tenant="clinic", recovery=public)
    return Made(store=store, folder=folder, offline=offline, keyring=keyring, vault=Vault(store, keyring))


@pytest.fixture
def made(store: Store, tmp_path: Path) -> Made:
    return make(store, tmp_path / "ring")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Made]:
    """The same on SQLite alone, for what does not depend on the database."""
    store = Store.open(f"sqlite:///{tmp_path / 'policy.db'}")
    yield make(store, tmp_path / "ring")
    store.close()


def everything(store: Store) -> dict[str, list[Any]]:
    """All rows, as a backup of the store would have them."""
    with store.reading() as connection:
        return {
            table: [dict(row) for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()]
            for table in ("vault_owner", "vault_subjects", "vault_records")
        }


def restore(store: Store, backup: dict[str, list[Any]]) -> None:
    with store.writing() as connection:
        for table, rows in backup.items():
            connection.execute(text(f"DELETE FROM {table}"))
            for row in rows:
                places = ", ".join(f":{name}" for name in row)
                connection.execute(text(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})"), row)


def change(store: Store, statement: str, **values: Any) -> None:
    with store.writing() as connection:
        assert connection.execute(text(statement), values).rowcount


# ------------------------------------------------------------------------------ records


def test_what_was_put_comes_back_also_to_another_process(made: Made) -> None:
    made.vault.put("Ana", "session/1", CANARY)
    made.vault.put("Ana", "session/2", b"")
    made.vault.put("Eva", "session/1", b"\0\xff" * 5000)
    for vault in (made.vault, made.again()):
        assert vault.get("Ana", "session/1") == CANARY
        assert vault.get("Ana", "session/2") == b""
        assert vault.get("Eva", "session/1") == b"\0\xff" * 5000
        assert vault.records("Ana") == ("session/1", "session/2")
        assert vault.holdings() == vaults.Holdings(subjects=2, records=3, outdated=0)
    made.vault.put("Ana", "session/1", b"newer")
    assert made.again().get("Ana", "session/1") == b"newer"
    assert made.vault.delete("Ana", "session/1")
    assert not made.vault.delete("Ana", "session/1")
    assert made.vault.records("Ana") == ("session/2",)


def test_what_is_not_there_is_a_named_error_and_a_key_error(here: Made) -> None:
    here.vault.put("Ana", "a", b"x")
    for subject, record in (("Ana", "b"), ("Eva", "a"), ("", "")):
        with pytest.raises(NotInVault, match="no such record") as caught:
            here.vault.get(subject, record)
        assert isinstance(caught.value, KeyError)
        assert isinstance(caught.value, SazonError)
    assert here.vault.records("Eva") == ()


def test_neither_subject_nor_record_nor_content_stands_in_the_store(made: Made, tmp_path: Path) -> None:
    made.vault.put("Ana Canary", "about/canary", CANARY)
    kept = repr(everything(made.store)).lower()
    assert "canary" not in kept
    assert "ana" not in kept.replace("canary", "")
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"canary" not in file.read_bytes().lower()


def test_names_that_could_be_confused_are_kept_apart(here: Made) -> None:
    names = [
        ("a", "bc"),
        ("ab", "c"),
        ("a\0b", "c"),
        ("a", "b\0c"),
        ("a|b", "c"),
        ("a", "b|c"),
        ("Ana", "a"),
        ("ana", "a"),
    ]
    for number, (subject, record) in enumerate(names):
        here.vault.put(subject, record, b"%d" % number)
    assert [here.vault.get(*name) for name in names] == [b"%d" % n for n in range(len(names))]


CONTENT, WRAPPED = "UPDATE vault_records SET content = ", "UPDATE vault_subjects SET wrapped = "


@pytest.mark.parametrize(
    "statement",
    [
        f"{CONTENT} (SELECT content FROM vault_records WHERE record = :two) WHERE record = :one",
        f"{CONTENT} (SELECT content FROM vault_records WHERE record = :hers) WHERE record = :one",
        f"{CONTENT} name WHERE record = :one",
        f"{CONTENT} :flipped WHERE record = :one",
        f"{CONTENT} :cut WHERE record = :one",
        f"{CONTENT} :empty WHERE record = :one",
        f"{WRAPPED} (SELECT wrapped FROM vault_subjects WHERE subject = :eva) WHERE subject = :ana",
        f"{WRAPPED} :empty WHERE subject = :ana",
        "UPDATE vault_subjects SET version = 2 WHERE subject = :ana",
        "DELETE FROM vault_subjects WHERE subject = :ana",
    ],
)
def test_whatever_was_moved_or_changed_does_not_open(here: Made, statement: str) -> None:
    here.vault.put("Ana", "one", CANARY)
    here.vault.put("Ana", "two", b"other")
    here.vault.put("Eva", "one", b"other")
    ana, eva = (here.keyring.digest("subject", name) for name in ("Ana", "Eva"))
    one, two, hers = (
        here.keyring.digest("record", *name) for name in ((ana, "one"), (ana, "two"), (eva, "one"))
    )
    [content] = [bytes(r["content"]) for r in everything(here.store)["vault_records"] if r["record"] == one]
    values = {
        "ana": ana, "eva": eva, "one": one, "two": two, "hers": hers,
        "flipped": content[:-1] + bytes([content[-1] ^ 1]), "cut": content[:-1], "empty": b"",
    }  # fmt: skip
    change(here.store, statement, **{k: v for k, v in values.items() if f":{k}" in statement})
    with pytest.raises(IntegrityError) as caught:
        here.vault.get("Ana", "one")
    assert "canary" not in str(caught.value)
    assert here.vault.get("Eva", "one") == b"other"


# ------------------------------------------------------------------------------ keys that are lost


def test_without_its_key_the_vault_does_not_open(here: Made) -> None:
    here.vault.put("Ana", "a", CANARY)
    before = everything(here.store)
    with pytest.raises(IntegrityError, match="does not open this keyring"):
        here.again(NEW)
    (here.folder / ring_file.NAME).unlink()
    with pytest.raises(EnvironmentLacks, match="no keyring"):
        here.again()
    for use in (lambda: here.vault.put("Ana", "b", CANARY), lambda: here.vault.get("Ana", "a")):
        with pytest.raises(EnvironmentLacks, match="no keyring"):
            use()
    assert everything(here.store) == before


def test_another_keyring_does_not_take_over_the_store(here: Made, tmp_path: Path) -> None:
    here.vault.put("Ana", "a", CANARY)
    before = everything(here.store)
    other = Keyring.create(tmp_path / "other", OLD, tenant="clinic")
    with pytest.raises(IntegrityError, match="another keyring"):
        Vault(here.store, other)
    assert everything(here.store) == before


def test_the_offline_key_brings_everything_back(here: Made) -> None:
    here.vault.put("Ana", "a", CANARY)
    Keyring.recover(here.folder, here.offline, NEW, signer=here.keyring.public("recovery"))
    assert here.again(NEW).get("Ana", "a") == CANARY


# ------------------------------------------------------------------------------ erasure


def test_erased_and_restored_from_a_backup_nobody_reads_it_again(made: Made) -> None:
    made.vault.put("Ana", "a", CANARY)
    made.vault.put("Eva", "a", b"stays")
    backup = everything(made.store)
    assert made.vault.erase("Ana") == vaults.Erased(records=1)
    assert len(everything(made.store)["vault_records"]) == 1
    restore(made.store, backup)
    # A process that was running all along, one that starts now, and the holder of the offline key.
    with pytest.raises(NotInVault):
        made.vault.get("Ana", "a")
    assert made.vault.records("Ana") == ()
    assert made.again().get("Eva", "a") == b"stays"
    Keyring.recover(made.folder, made.offline, NEW)
    with pytest.raises(NotInVault):
        made.again(NEW).get("Ana", "a")
    assert made.again(NEW).get("Eva", "a") == b"stays"


def test_a_restored_backup_is_cleared_of_who_was_erased(made: Made) -> None:
    for number in range(5):
        made.vault.put(f"s{number}", "a", b"x")
    backup = everything(made.store)
    for number in (1, 3):
        made.vault.erase(f"s{number}")
    restore(made.store, backup)
    assert made.again().holdings() == vaults.Holdings(subjects=3, records=3, outdated=0)
    assert made.vault.get("s4", "a") == b"x"


def test_a_copy_of_the_file_from_before_an_erasure_stays_shut(tmp_path: Path) -> None:
    """The same with the database's file itself, and with every key there is tried on it by hand."""
    store = Store.open(f"sqlite:///{tmp_path / 'policy.db'}")
    made = make(store, tmp_path / "ring")
    made.vault.put("Ana", "a", CANARY)
    store.close()
    shutil.copy(tmp_path / "policy.db", tmp_path / "backup.db")
    made.vault.erase("Ana")
    store.close()
    shutil.copy(tmp_path / "backup.db", tmp_path / "policy.db")
    vault = made.again()
    with pytest.raises(NotInVault):
        vault.get("Ana", "a")
    ana = made.keyring.digest("subject", "Ana")
    for generation in range(3):
        try:
            key = made.keyring.subject_key(ana, generation=generation, version=1)
        except IntegrityError:
            continue
        old = vaults._Place(subject=ana, generation=0)
        backup = Store.open(f"sqlite:///{tmp_path / 'backup.db'}")
        [row] = everything(backup)["vault_subjects"]
        backup.close()
        with pytest.raises(IntegrityError):
            vaults.unseal(key, row["wrapped"], vault._bound(old, 1, "data key"), what="shut")
    store.close()


def test_a_backup_from_before_a_subject_came_is_not_a_way_around(here: Made) -> None:
    """Restored to before the subject, put again, erased; then the backup with the first data."""
    empty = everything(here.store)
    here.vault.put("Ana", "a", CANARY)
    full = everything(here.store)
    restore(here.store, empty)
    here.vault.put("Ana", "a", b"second life")
    here.vault.erase("Ana")
    restore(here.store, full)
    with pytest.raises(NotInVault):
        here.vault.get("Ana", "a")


def test_erasing_shuts_out_a_subject_that_only_a_backup_knows(here: Made) -> None:
    empty = everything(here.store)
    here.vault.put("Ana", "a", CANARY)
    full = everything(here.store)
    restore(here.store, empty)
    assert here.vault.erase("Ana") == vaults.Erased(records=0)
    restore(here.store, full)
    with pytest.raises(NotInVault):
        here.vault.get("Ana", "a")


def test_whoever_comes_back_begins_anew(here: Made) -> None:
    here.vault.put("Ana", "a", CANARY)
    here.vault.put("Ana", "b", CANARY)
    backup = everything(here.store)
    here.vault.erase("Ana")
    here.vault.put("Ana", "a", b"new")
    assert here.again().get("Ana", "a") == b"new"
    assert here.vault.records("Ana") == ("a",)
    # Also over a restored backup, whose rows are of the erased generation.
    restore(here.store, backup)
    here.vault.put("Ana", "a", b"newer")
    assert here.again().get("Ana", "a") == b"newer"
    assert here.again().records("Ana") == ("a",)


def test_an_erasure_that_was_killed_halfway_is_finished_by_repeating_it(
    here: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.vault.put("Ana", "a", CANARY)

    def killed(self: Store, **_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Store, "writing", killed)
        with pytest.raises(KeyboardInterrupt):
            here.vault.erase("Ana")
    assert len(everything(here.store)["vault_records"]) == 1
    with pytest.raises(NotInVault):
        here.vault.get("Ana", "a")
    assert here.vault.erase("Ana") == vaults.Erased(records=1)


# ------------------------------------------------------------------------------ rotation


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vaults, "BATCH", 3)


def fill(vault: Vault, subjects: int) -> None:
    for number in range(subjects):
        vault.put(f"s{number}", "a", b"%d" % number)


def assert_all(vault: Vault, subjects: int) -> None:
    assert [vault.get(f"s{n}", "a") for n in range(subjects)] == [b"%d" % n for n in range(subjects)]


@pytest.mark.usefixtures("small_batches")
def test_a_rotation_moves_every_data_key_and_retires_the_old_key(made: Made) -> None:
    fill(made.vault, 8)
    contents = [row["content"] for row in everything(made.store)["vault_records"]]
    told: list[tuple[int, int]] = []
    assert made.vault.rotate(NEW, progress=lambda done, all_: told.append((done, all_))) == 8
    assert told == [(3, 8), (6, 8), (8, 8)]
    assert {row["version"] for row in everything(made.store)["vault_subjects"]} == {2}
    assert [row["content"] for row in everything(made.store)["vault_records"]] == contents
    assert_all(made.vault, 8)
    assert_all(made.again(NEW), 8)
    with pytest.raises(IntegrityError, match="does not open"):
        made.again(OLD)


@pytest.mark.usefixtures("small_batches")
def test_a_rotation_killed_midway_leaves_both_keys_working_and_goes_on(made: Made) -> None:
    fill(made.vault, 8)

    def kill(done: int, _: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made.vault.rotate(NEW, progress=kill)
    assert sorted(row["version"] for row in everything(made.store)["vault_subjects"]) == [1] * 5 + [2] * 3
    for source in (OLD, NEW):
        vault = made.again(source)
        assert_all(vault, 8)
        assert vault.holdings().outdated == 5
        vault.put("s1", "a", b"1")
        vault.put(f"new {source.id}", "a", b"new")
    assert made.again(OLD).rotate(NEW) == 5
    assert_all(made.again(NEW), 8)


@pytest.mark.usefixtures("small_batches")
def test_nothing_is_retired_while_a_data_key_cannot_be_moved(here: Made) -> None:
    fill(here.vault, 8)
    change(here.store, "UPDATE vault_subjects SET wrapped = :w WHERE subject = :s", w=bytes(60),
           s=here.keyring.digest("subject", "s3"))  # fmt: skip
    with pytest.raises(IntegrityError, match="was changed"):
        here.vault.rotate(NEW)
    for source in (OLD, NEW):
        assert here.again(source).get("s4", "a") == b"4"
    here.vault.erase("s3")
    here.vault.rotate(NEW)
    assert here.again(NEW).get("s4", "a") == b"4"


@pytest.mark.usefixtures("small_batches")
def test_erased_and_rotated_and_restored_it_stays_erased(here: Made) -> None:
    fill(here.vault, 4)
    backup = everything(here.store)
    here.vault.erase("s2")
    here.vault.rotate(NEW)
    assert here.vault.get("s1", "a") == b"1"
    restore(here.store, backup)
    vault = here.again(NEW)
    with pytest.raises(NotInVault):
        vault.get("s2", "a")
    # And a backup from before the rotation is told as such, not as tampered data.
    with pytest.raises(IntegrityError, match="before a key rotation"):
        vault.get("s1", "a")


@pytest.mark.usefixtures("small_batches")
def test_a_reader_that_was_open_all_along_sees_through_the_end_of_a_rotation(here: Made) -> None:
    """The rotation ends between the reader's look at the keyring and its look at the store."""
    fill(here.vault, 4)
    here.vault.rotate(NEW)
    third = LocalKey(bytes(31) + b"3")
    reader, writer = here.again(NEW), here.again(NEW)
    place, done = reader._place, []

    def rotate_first(subject: str) -> Any:
        if not done:
            done.append(writer._keyring.begin_rotation(third))
            while writer._rewrap():
                pass
        return place(subject)

    reader._place = rotate_first  # type: ignore[method-assign]
    assert reader.get("s1", "a") == b"1"
    writer.rotate(third)
    assert_all(writer, 4)


# ------------------------------------------------------------------------------ many at once

KILLED = """
import sys
from pathlib import Path
from sazon.core.store import Store
from sazon.policy import vault as vaults
from sazon.policy.keys.keyring import Keyring
from sazon.policy.keys.source import open_source
url, folder = sys.argv[1], Path(sys.argv[2])
vaults.BATCH = 3
vault = vaults.Vault(Store.open(url), Keyring.open(folder, open_source(f"file:{folder}/old")))
def told(done, _):
    print(done, flush=True)
    sys.stdin.readline()
vault.rotate(open_source(f"file:{folder}/new"), progress=told)
"""


def test_a_rotation_shot_dead_in_another_process_goes_on_here(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    old, new = (create_source(f"file:{tmp_path}/{name}") for name in ("old", "new"))
    vault = Vault(store, Keyring.create(tmp_path, old))
    fill(vault, 8)
    command = [sys.executable, "-c", KILLED, store_url, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "3\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for source in (old, new):
        assert_all(Vault(store, Keyring.open(tmp_path, source)), 8)
    assert vault.rotate(new) == 5
    assert_all(Vault(store, Keyring.open(tmp_path, new)), 8)


def test_many_threads_put_erase_and_rotate_at_once(made: Made) -> None:
    """Each thread owns subjects of its own and sees them as if it were alone."""
    failed: list[BaseException] = []

    def work(number: int) -> None:
        rng = random.Random(number)
        known: dict[str, bytes] = {}
        try:
            for step in range(12):
                subject = f"{number}/{rng.randrange(2)}"
                if rng.random() < 0.25:
                    made.vault.erase(subject)
                    known.pop(subject, None)
                else:
                    known[subject] = b"%d" % step
                    made.vault.put(subject, "a", known[subject])
                for one, value in known.items():
                    assert made.vault.get(one, "a") == value
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    made.vault.rotate(NEW)
    for thread in threads:
        thread.join()
    assert failed == []
    assert made.vault.holdings().outdated == 0


def test_two_processes_that_make_a_subject_at_once_agree_on_its_key(made: Made) -> None:
    one, other = made.again(), made.again()
    barrier = threading.Barrier(2)

    def put(vault: Vault, record: str) -> None:
        for number in range(10):
            barrier.wait()
            vault.put(f"s{number}", record, b"x")

    threads = [threading.Thread(target=put, args=pair) for pair in ((one, "a"), (other, "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(10):
        assert [made.vault.get(f"s{number}", name) for name in "ab"] == [b"x", b"x"]


# ------------------------------------------------------------------------------ any order of events


class Life(RuleBasedStateMachine):
    """Whatever happens in whatever order: what was put is there, what was erased never comes back."""

    subjects = st.sampled_from(["Ana", "Eva", "Pau"])

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.made = make(Store.open(f"sqlite:///{self.folder / 'policy.db'}"), self.folder / "ring")
        self.key = OLD
        self.known: dict[str, bytes] = {}
        self.backup: tuple[dict[str, Any], dict[str, bytes]] = (everything(self.made.store), {})

    @rule(subject=subjects, content=st.binary(max_size=4))
    def put(self, subject: str, content: bytes) -> None:
        self.made.vault.put(subject, "a", content)
        self.known[subject] = content

    @rule(subject=subjects)
    def erase(self, subject: str) -> None:
        self.made.vault.erase(subject)
        self.known.pop(subject, None)
        self.backup[1].pop(subject, None)

    @rule()
    def back_up(self) -> None:
        self.backup = (everything(self.made.store), dict(self.known))

    @rule()
    def restore(self) -> None:
        restore(self.made.store, self.backup[0])
        self.known = dict(self.backup[1])

    @rule()
    def rotate(self) -> None:
        self.key = NEW if self.key is OLD else OLD
        self.made.vault.rotate(self.key)
        self.back_up()

    @rule()
    def restart(self) -> None:
        self.made = Made(**{**vars(self.made), "vault": self.made.again(self.key)})

    @invariant()
    def holds_what_it_should(self) -> None:
        for subject in ("Ana", "Eva", "Pau"):
            if subject in self.known:
                assert self.made.vault.get(subject, "a") == self.known[subject]
            else:
                with pytest.raises(NotInVault):
                    self.made.vault.get(subject, "a")

    def teardown(self) -> None:
        self.made.store.close()
        shutil.rmtree(self.folder)


@pytest.mark.campaign
def test_any_order_of_events() -> None:
    full = os.environ.get("SAZON_CAMPAIGNS") == "full"
    run_state_machine_as_test(
        Life, settings=settings(max_examples=300 if full else 6, stateful_step_count=12)
    )
