"""The log keeps what it acknowledged, and every change to it shows."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from os import environ
from pathlib import Path

import pytest
from sqlalchemy import text

from sazon.core.errors import DataError, EnvironmentLacks, IntegrityError
from sazon.core.store import Store
from sazon.policy.audit import checkpoint, merkle, stored
from sazon.policy.audit.log import AuditLog

WRITER = Path(__file__).parent / "writer.py"
KILLS = 50 if environ.get("SAZON_CAMPAIGNS") == "full" else 3


def keys_of(log: AuditLog, *anchors: checkpoint.Checkpoint) -> set[str]:
    return {problem.key.removeprefix("problem.") for problem in log.verify(*anchors).problems}


def change(store: Store, *statements: str, **values: object) -> None:
    with store.writing() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement, values)


# ------------------------------------------------------------------------------ keeping


def test_entries_come_back_as_they_were_appended(log: AuditLog, sent) -> None:
    assert [log.append(sent()), log.append({"event": "consent", "subject": "5f0c"})] == [0, 1]
    assert log.append_many([{"event": "sent", "n": n} for n in range(3)]) == [2, 3, 4]
    assert log.append_many([]) == []
    assert log.entries(0, 1)[0].fields == sent() | {"at": "2026-11-03T12:00:00.000000Z"}
    assert [e.fields["event"] for e in log.tail(4)] == ["consent", "sent", "sent", "sent"]
    assert [e.index for e in log.tail(100)] == [0, 1, 2, 3, 4]
    found = log.verify()
    assert found.holds
    assert (found.size, found.anchored) == (5, None)


def test_an_empty_log_verifies_and_has_no_checkpoint_until_one_is_made(log: AuditLog) -> None:
    assert (log.verify().holds, log.verify().size, log.tail(3)) == (True, 0, [])
    with pytest.raises(IntegrityError):
        log.latest()
    note = log.checkpoint()
    assert (note.size, note.root) == (0, merkle.EMPTY)
    assert log.verify(note).holds
    log.append({"event": "sent"})
    assert log.latest().origin == note.origin
    assert log.verify(note).holds


def test_refused_fields_leave_no_trace(log: AuditLog) -> None:
    with pytest.raises(DataError):
        log.append_many([{"event": "sent"}, {"event": "sent", "text": 0.5}])  # type: ignore[list-item]
    assert log.verify().size == 0


def test_without_a_key_nothing_is_appended_and_everything_is_read(log, store, public) -> None:
    log.append({"event": "sent"})
    reader = AuditLog(store, sign=None, public=public)
    for write in (lambda: reader.append({"event": "sent"}), reader.checkpoint):
        with pytest.raises(EnvironmentLacks):
            write()
    assert reader.verify(log.latest()).size == 1


def test_a_signature_that_fails_keeps_nothing(log, store, public, clock) -> None:
    log.append({"event": "sent"})

    def broken(message: bytes) -> bytes:
        raise EnvironmentLacks("the key is gone")

    other = AuditLog(store, sign=broken, public=public, clock=clock)
    with pytest.raises(EnvironmentLacks):
        other.append({"event": "sent"})
    assert log.append({"event": "sent"}) == 1
    assert log.verify().holds


def test_a_clock_set_back_is_recorded_once_and_order_kept(log: AuditLog, clock) -> None:
    log.append({"event": "sent"})
    clock.now -= 3600
    assert log.append({"event": "sent"}) == 2
    log.append({"event": "sent"})
    clock.now += 7200
    log.append({"event": "sent"})
    entries = log.entries(0, 5)
    assert [e.fields["event"] for e in entries] == ["sent", "clock", "sent", "sent", "sent"]
    was, now = "2026-11-03T12:00:00.000000Z", "2026-11-03T11:00:01.000000Z"
    assert entries[1].fields == {"event": "clock", "was": was, "is": now, "at": was}
    times = [str(e.fields["at"]) for e in entries]
    assert times == sorted(times)
    assert times[-1] > times[-2] == was
    assert log.verify().holds


def test_no_entry_after_a_checkpoint_carries_an_earlier_time(log: AuditLog, clock) -> None:
    log.append({"event": "sent"})
    note = log.checkpoint()
    clock.now -= 3600
    log.append({"event": "sent"})
    assert all(str(e.fields["at"]) >= note.time for e in log.entries(1, 3))
    assert [e.fields["event"] for e in log.entries(1, 3)] == ["clock", "sent"]


def test_threads_get_indices_of_their_own(log: AuditLog) -> None:
    found: dict[int, str] = {}

    def work(name: str) -> None:
        for n in range(20):
            found[log.append({"event": "sent", "request": f"{name}{n}"})] = f"{name}{n}"

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {e.index: e.fields["request"] for e in log.entries(0, 160)} == found
    assert log.verify().holds


def started(url: str, name: str, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WRITER), url, name, *more], stdout=subprocess.PIPE, text=True, env=dict(environ)
    )


def test_processes_share_a_log(log: AuditLog, tmp_path: Path) -> None:
    writers = [started(f"sqlite:///{tmp_path}/policy.db", name, "5") for name in ("a", "b")]
    told = dict(line.split() for w in writers for line in w.communicate()[0].splitlines())
    assert [w.returncode for w in writers] == [0, 0]
    assert {str(e.index): e.fields["request"] for e in log.tail(100) if e.fields["event"] == "sent"} == told
    assert len(told) == 40
    assert log.verify().holds


def test_the_log_works_in_postgresql(postgres_url: str, key, public, clock, sent) -> None:
    url = postgres_url.replace("postgresql+pg8000", "postgresql")
    opened = Store.open(url)
    log = AuditLog(opened, sign=key.sign, public=public, clock=clock)
    log.append_many([sent(number=n) for n in range(300)])
    anchor = log.checkpoint()
    writers = [started(url, name, "5") for name in ("a", "b")]
    told = dict(line.split() for w in writers for line in w.communicate()[0].splitlines())
    assert {str(e.index): e.fields["request"] for e in log.tail(100) if e.index in map(int, told)} == told
    found = log.verify(anchor)
    assert found.holds, found.problems
    assert (len(told), found.anchored) == (40, 300)
    leaf = log.entries(7, 8)[0].leaf()
    merkle.verify_inclusion(leaf, 7, found.size, log.prove(7), found.root)
    change(opened, "UPDATE audit_entry SET seed = leaf WHERE position = 7")
    assert "altered" in keys_of(log)
    opened.close()


@pytest.mark.campaign
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(log: AuditLog, tmp_path: Path) -> None:
    chance, kept = random.Random(7), {}
    for kill in range(KILLS):
        writer = started(f"sqlite:///{tmp_path}/policy.db", f"k{kill}")
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(chance.randint(1, 60))]
        writer.kill()
        lines += writer.stdout.readlines()
        writer.wait()
        writer.stdout.close()
        kept |= dict(line.split() for line in lines if line.endswith("\n"))
        found = log.verify(log.latest())
        assert found.holds, found.problems
        assert found.size >= len(kept)
    by_index = {str(e.index): e.fields.get("request") for e in log.entries(0, log.latest().size)}
    assert {index: by_index[index] for index in kept} == kept


# ------------------------------------------------------------------------- showing changes


@pytest.fixture
def filled(log: AuditLog, sent) -> AuditLog:
    """Three hundred entries, so that there is a stored node."""
    log.append_many([sent(provider=f"p{n % 7}", number=n) for n in range(300)])
    return log


@pytest.mark.parametrize("at", [0, 256, 299])
@pytest.mark.parametrize(
    "statement",
    [
        """UPDATE audit_entry SET fields = replace(fields, '"allow":true', '"allow":false')""",
        """UPDATE audit_entry SET fields = replace(fields, '","', '", "')""",
        "UPDATE audit_entry SET seed = zeroblob(32)",
        "UPDATE audit_entry SET leaf = zeroblob(32)",
        "UPDATE audit_entry SET fields = 'not even JSON'",
        "UPDATE audit_entry SET fields = '[1]'",
    ],
)
def test_an_altered_entry_shows(filled: AuditLog, store: Store, statement: str, at: int) -> None:
    change(store, f"{statement} WHERE position = {at}")
    assert "altered" in keys_of(filled)
    assert filled.verify().problems[0].values["index"] == at


@pytest.mark.parametrize(
    ("expected", "statements"),
    [
        ("missing", ["DELETE FROM audit_entry WHERE position = 5"]),
        ("missing", ["DELETE FROM audit_entry WHERE position = 0"]),
        (
            "missing",
            [
                "DELETE FROM audit_entry WHERE position = 5",
                "UPDATE audit_entry SET position = position + 100000 WHERE position > 5",
            ],
        ),
        ("other_size", ["DELETE FROM audit_entry WHERE position >= 290"]),
        ("other_size", ["DELETE FROM audit_entry", "DELETE FROM audit_node"]),
        (
            "out_of_order",
            [
                "UPDATE audit_entry SET position = -1 WHERE position = 3",
                "UPDATE audit_entry SET position = 3 WHERE position = 301",
                "UPDATE audit_entry SET position = 301 WHERE position = -1",
            ],
        ),
        ("node", ["UPDATE audit_node SET hash = zeroblob(32)"]),
        ("node", ["DELETE FROM audit_node"]),
        ("node", ["INSERT INTO audit_node VALUES (8, 1, zeroblob(32))"]),
        ("no_head", ["DELETE FROM audit_head"]),
        ("head_damaged", ["UPDATE audit_head SET note = 'x'"]),
        ("head_damaged", ["UPDATE audit_head SET edge = zeroblob(31)"]),
        ("other_root", ["UPDATE audit_head SET edge = zeroblob(length(edge))"]),
    ],
)
def test_deleted_moved_and_damaged_rows_show(filled: AuditLog, store, expected: str, statements) -> None:
    for _ in range(2):  # dated later, so that two entries can change places
        filled.append({"event": "ruling"})
    change(store, *statements)
    assert expected in keys_of(filled)


def rewritten(store: Store, sign: Callable[[bytes], bytes], public: bytes, keep: int) -> AuditLog:
    """What somebody does who rebuilds the tree over other entries: all consistent but the past."""
    with store.writing() as connection:
        old = list(stored.entries(connection, 0, keep))
        head = stored.head(connection)
        assert head is not None
        for table in ("audit_entry", "audit_node"):
            connection.execute(text(f"DELETE FROM {table}"))
        edge = merkle.Edge()
        changed = [
            e if e.index != 1 else type(e)(index=1, fields={**e.fields, "allow": False}, seed=e.seed)
            for e in old
        ]
        stored.add(connection, changed, edge)
        note = checkpoint.signed(
            origin=head.note.origin,
            size=edge.size,
            root=edge.root(),
            time=head.note.time,
            sign=sign,
            public=public,
        )
        stored.set_head(connection, stored.Head(note=note, edge=edge, reading=head.reading))
    return AuditLog(store, sign=sign, public=public)


def test_a_consistent_rewrite_without_the_key_shows(filled, store, public) -> None:
    forged = rewritten(store, lambda message: b"\0" * 64, public, 300)
    assert keys_of(forged) == {"signature"}


def test_a_rewrite_with_the_key_shows_against_an_anchor(filled, store, key, public, tmp_path) -> None:
    anchor = filled.anchor(tmp_path / "anchors.txt")
    forged = rewritten(store, key.sign, public, 300)
    assert forged.verify().holds
    assert keys_of(forged, anchor) == {"forked"}
    assert checkpoint.forked(anchor, forged.latest())
    with pytest.raises(IntegrityError, match="another history"):
        forged.anchor(tmp_path / "anchors.txt")
    assert checkpoint.read(tmp_path / "anchors.txt") == (anchor,)


def test_an_earlier_state_put_back_shows_against_an_anchor_only(log, store, tmp_path, sent) -> None:
    log.append_many([sent() for _ in range(3)])
    with store.reading() as connection:
        before = connection.execute(text("SELECT edge, reading, note FROM audit_head")).one()._asdict()
    log.append_many([sent() for _ in range(3)])
    anchor = log.anchor(tmp_path / "anchors.txt")
    change(
        store,
        "DELETE FROM audit_entry WHERE position >= 3",
        "UPDATE audit_head SET edge = :edge, reading = :reading, note = :note",
        **before,
    )
    assert log.verify().holds
    assert keys_of(log, anchor) == {"truncated"}
    assert log.verify(anchor).anchored == 6
    with pytest.raises(IntegrityError, match="cut off"):
        log.anchor(tmp_path / "anchors.txt")


@pytest.mark.parametrize("way", ["entries cut", "head put back", "head gone"])
def test_a_log_whose_head_and_entries_disagree_takes_nothing_more(filled, store, way: str) -> None:
    with store.reading() as connection:
        before = connection.execute(text("SELECT edge, reading, note FROM audit_head")).one()._asdict()
    filled.append({"event": "sent", "request": "canary"})
    if way == "entries cut":
        change(store, "DELETE FROM audit_entry WHERE position >= 299")
    elif way == "head gone":
        change(store, "DELETE FROM audit_head")
    else:
        change(store, "UPDATE audit_head SET edge = :edge, reading = :reading, note = :note", **before)
    for write in (lambda: filled.append({"event": "sent"}), filled.checkpoint):
        with pytest.raises(IntegrityError, match="contradicts"):
            write()
    assert keys_of(filled) & {"other_size", "no_head"}


def test_checkpoints_of_another_log_or_key_are_told(filled, tmp_path, key, public, clock) -> None:
    other_store = Store.open("sqlite:///other.db", root=tmp_path)
    other = AuditLog(other_store, sign=key.sign, public=public, clock=clock)
    other.append({"event": "sent"})
    assert keys_of(filled, other.latest()) == {"other_log"}
    stranger = AuditLog(other_store, sign=key.sign, public=bytes(31) + b"\1", clock=clock)
    assert keys_of(stranger) == {"signature"}
    other_store.close()


# ------------------------------------------------------------------------------- proofs


def test_proofs_hold_over_sizes_and_stored_nodes(filled: AuditLog) -> None:
    filled.append_many([{"event": "ruling", "number": n} for n in range(300)])
    leaves = [e.leaf() for e in filled.entries(0, 600)]
    for size in (1, 2, 255, 256, 257, 511, 512, 513, 600):
        root = merkle.root_of(leaves[:size])
        for index in {0, size // 2, size - 1}:
            merkle.verify_inclusion(leaves[index], index, size, filled.prove(index, size=size), root)
            begin, end = index // 2, index + 1
            merkle.verify_range(leaves[begin:end], begin, size, filled.range_proof(begin, end, size), root)
        for new in (size, 512, 600):
            if new >= size:
                proof = filled.consistency(size, new)
                merkle.verify_consistency(size, new, proof, root, merkle.root_of(leaves[:new]))
    with pytest.raises(IntegrityError):
        filled.prove(600)


def test_a_large_tree_needs_few_rows_for_a_proof(store: Store) -> None:
    """Seventy thousand leaves, so that two levels of nodes are kept."""
    leaves = [merkle.leaf_hash(n.to_bytes(4, "big")) for n in range(70_000)]
    edge, nodes = merkle.Edge(), []
    for leaf in leaves:
        nodes += [n for n in edge.push(leaf) if n[0] % stored.STEP == 0]
    assert {level for level, _, _ in nodes} == {8, 16}
    store.create(stored.TABLES)
    with store.writing() as connection:
        # Written as the log lays them out, without the time that 70,000 real entries take.
        connection.exec_driver_sql("INSERT INTO audit_entry VALUES (?, '{}', '', ?)", list(enumerate(leaves)))
        connection.exec_driver_sql("INSERT INTO audit_node VALUES (?, ?, ?)", nodes)
        read = stored.reader(connection)
        for index in (0, 255, 65_535, 65_536, 69_999):
            proof = merkle.inclusion_proof(index, 70_000, read)
            merkle.verify_inclusion(leaves[index], index, 70_000, proof, edge.root())
        for old in (1, 255, 65_537, 69_999):
            proof = merkle.consistency_proof(old, 70_000, read)
            merkle.verify_consistency(old, 70_000, proof, merkle.root_of(leaves[:old]), edge.root())
        # Only the leaves beside the place are read: the rest comes from nodes.
        connection.exec_driver_sql("DELETE FROM audit_entry WHERE position BETWEEN 256 AND 65535")
        assert merkle.inclusion_proof(3, 70_000, read)


def test_entries_are_found_by_time(log: AuditLog) -> None:
    for n in range(20):
        log.append({"event": "sent", "n": n})
    assert log.first_at("2026-11-03T12:00:07.000000Z", size=20) == 7
    assert log.first_at("2026-11-03T12:00:07.000001Z", size=20) == 8
    assert log.first_at("2000", size=20) == 0
    assert log.first_at("3000", size=20) == 20


# --------------------------------------------------------------------------- checkpoints


def test_a_note_is_read_as_it_was_written_and_in_no_other_form(log: AuditLog, public: bytes) -> None:
    log.append({"event": "sent"})
    note = log.latest()
    assert checkpoint.parse(note.text) == note
    assert note.check(public) is note
    lines = note.text.split("\n")
    assert lines[0] == lines[5].split()[1] == note.origin
    for at in range(len(note.text)):
        changed = note.text[:at] + ("x" if note.text[at] != "x" else "y") + note.text[at + 1 :]
        with pytest.raises(IntegrityError):
            checkpoint.parse(changed).check(public)
    for wrong in ("", "\n", note.text * 2, note.text + "\n", note.text.replace("\n", "\r\n"), note.text[:-1]):
        with pytest.raises(IntegrityError):
            checkpoint.parse(wrong)


def test_anchors_are_added_and_read_in_order(log: AuditLog, tmp_path: Path) -> None:
    path = tmp_path / "far" / "anchors.txt"
    for n in range(3):
        log.append({"event": "sent", "n": n})
        log.anchor(path)
    notes = checkpoint.read(path)
    assert [note.size for note in notes] == [1, 2, 3]
    assert log.verify(*notes).holds
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError):
        checkpoint.read(path)
    path.write_bytes(b"\xff")
    with pytest.raises(IntegrityError):
        checkpoint.read(path)
    with pytest.raises(EnvironmentLacks):
        checkpoint.read(tmp_path)


def test_the_store_holds_canonical_lines_only(log: AuditLog, store: Store) -> None:
    log.append({"event": "sent", "reason": "a\r\nb\u2028c\x1b[0m"})
    with store.reading() as connection:
        [line] = connection.execute(text("SELECT fields FROM audit_entry")).scalars()
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["reason"] == "a\r\nb\u2028c\x1b[0m"
