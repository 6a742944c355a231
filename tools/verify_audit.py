"""Check what a sazon audit log has handed over, without sazon.

    python verify_audit.py FILE --key HEX [--anchor CHECKPOINT]

FILE is a checkpoint (text), or a dossier, a proof of one entry or a proof of continuation (JSON). HEX is the
log's Ed25519 key, which its keeper gave you beforehand. CHECKPOINT is one that you kept: FILE must
continue it. Exit code 0 and "holds", or 1 and what does not. Needs Python and the package `cryptography`.
The formats are described in docs/audit.md.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
HASH = re.compile(r"[0-9a-f]{64}")


class Wrong(Exception):
    """Something does not fit."""


def demand(holds, what):
    """Stop where something does not hold."""
    if not holds:
        raise Wrong(what)


def sha(*parts):
    """SHA-256 of parts one after another."""
    return hashlib.sha256(b"".join(parts)).digest()


def unhex(text):
    """A hash, 64 lower-case hexadecimal digits."""
    demand(isinstance(text, str) and HASH.fullmatch(text), "a hash is not of 32 bytes")
    return bytes.fromhex(text)


def checkpoint(text, key):
    """Origin, size, root and time of a signed note."""
    found = re.fullmatch(r"((\S+)\n([0-9]{1,18})\n(\S+)\ntime (\S+)\n)\n\u2014 (\S+) (\S+)\n", text)
    demand(found, "this is not a checkpoint")
    body, origin, size, root, time, name, signature = found.groups()
    root, signature = (base64.b64decode(part, validate=True) for part in (root, signature))
    demand(name == origin and len(root) == 32 and TIME.fullmatch(time), "this is not a checkpoint")
    demand(signature[:4] == sha(origin.encode(), b"\n\x01", key)[:4], "the checkpoint names another key")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature[4:], body.encode())
    except InvalidSignature:
        raise Wrong("the checkpoint is not signed by this key") from None
    return origin, int(size), root, time


def leaf(entry):
    """Leaf hash of an entry (fields open or closed), and the open fields."""
    demand(isinstance(entry, dict) and entry, "an entry is empty")
    packed, opened = b"", {}
    for name in sorted(entry):
        shown, raw = entry[name], name.encode()
        label = len(raw).to_bytes(4, "big") + raw
        if isinstance(shown, str):
            packed += label + unhex(shown)
        else:
            salt = bytes.fromhex(shown["salt"])
            demand(len(salt) == 16, "a salt is not of 16 bytes")
            value = json.dumps(shown["value"], sort_keys=True, separators=(",", ":"))
            packed += label + sha(salt, label, value.encode())
            opened[name] = shown["value"]
    return sha(b"\0", packed), opened


def split(size):
    """Where RFC 9162 cuts a tree: the largest power of two below its size."""
    return 1 << (size - 1).bit_length() - 1


def range_root(low, high, begin, leaves, proof):
    """Root over places low to high, from consecutive leaves at `begin` and the subtrees beside them."""
    if high <= begin or begin + len(leaves) <= low:
        demand(proof, "the proof is too short")
        return proof.pop(0)
    if high - low == 1:
        return leaves[low - begin]
    middle = low + split(high - low)
    left = range_root(low, middle, begin, leaves, proof)
    return sha(b"\1", left, range_root(middle, high, begin, leaves, proof))


def inclusion_root(index, size, found, proof):
    """Root from a leaf and its path, lowest hash first (RFC 9162, 2.1.3)."""
    if size == 1:
        return found
    demand(proof, "the proof is too short")
    beside, middle = proof.pop(), split(size)
    if index < middle:
        return sha(b"\1", inclusion_root(index, middle, found, proof), beside)
    return sha(b"\1", beside, inclusion_root(index - middle, size - middle, found, proof))


def consistency_roots(old, new, known, proof):
    """Roots of both sizes from the proof (RFC 9162, 2.1.4); `known` is the old root, or None inside."""
    if old == new:
        demand(known or proof, "the proof is too short")
        shared = known or proof.pop()
        return shared, shared
    demand(proof, "the proof is too short")
    beside, middle = proof.pop(), split(new)
    if old <= middle:
        before, after = consistency_roots(old, middle, known, proof)
        return before, sha(b"\1", after, beside)
    before, after = consistency_roots(old - middle, new - middle, None, proof)
    return sha(b"\1", beside, before), sha(b"\1", beside, after)


def continues(document, later, anchor, key):
    """Check that the document's checkpoint continues another one, by the proof it brings."""
    if anchor == document["checkpoint"]:
        return
    shown = document.get("anchor") or {}
    demand(shown.get("checkpoint") == anchor, "nothing is said about your checkpoint")
    origin, size, root, _ = checkpoint(anchor, key)
    proof = [unhex(one) for one in shown["proof"]]
    demand(origin == later[0] and size <= later[1], "the log does not continue the checkpoint")
    same = size == 0 or consistency_roots(size, later[1], root, proof) == (root, later[2])
    demand(same and not proof, "the log does not continue the checkpoint")


def has(value, wanted):
    """Whether a value is one of those wanted, or a list or counts with one of them."""
    several = value if isinstance(value, (list, dict)) else [value]
    return bool({json.dumps(one) for one in several} & {json.dumps(one) for one in wanted})


def verdict(entry, opened, where):
    """match, other, or unknown: the entry lacks a field that is asked about."""
    if any(name in opened and not has(opened[name], wanted) for name, wanted in where.items()):
        return "other"
    demand(all(name in opened for name in where if name in entry), "a field that is needed is closed")
    return "match" if all(name in entry for name in where) else "unknown"


def dossier(document, note):
    """Check a dossier; returns its answer in words."""
    _, size, root, signed = note
    question, begin, entries = document["question"], document["begin"], document["entries"]
    since, until, where = question["since"], question["until"], question["where"]
    demand(TIME.fullmatch(since) and TIME.fullmatch(until), "a time is not in its form")
    demand(since <= until <= signed, "the checkpoint does not cover the question")
    demand(all(isinstance(wanted, list) and wanted for wanted in where.values()), "a value is not listed")
    read = [leaf(one) for one in entries]
    leaves, opened = [one for one, _ in read], [one for _, one in read]
    proof = [unhex(one) for one in document["proof"]]
    if size:
        end = begin + len(leaves)
        demand(type(begin) is int and 0 <= begin < end <= size, "there is no such range")
        found = range_root(0, size, begin, leaves, proof)
        demand(found == root and not proof, "an entry was changed, moved or left out")
    else:
        demand(not leaves and root == sha(), "the log is empty")
    times = [one.get("at") for one in opened]
    demand(all(isinstance(at, str) and TIME.fullmatch(at) for at in times), "an entry hides its time")
    demand(times == sorted(times), "the entries are not in order")
    before = begin == 0 or times[0] < since
    after = begin + len(times) >= size or times[-1] >= until
    demand(not size or (before and after), "the entries do not cover the time asked about")
    inside = [i for i, at in enumerate(times) if since <= at < until]
    found = [verdict(entries[i], opened[i], where) for i in inside]
    counts = {"entries": len(found), "matches": found.count("match"), "unknown": found.count("unknown")}
    demand(document["answer"] == counts, "the count is wrong")
    return f"{since} to {until}: {counts}, where {json.dumps(where)}"


def once(pairs):
    """Refuse a name that stands twice."""
    demand(len(dict(pairs)) == len(pairs), "a name stands twice")
    return dict(pairs)


def check(text, key, anchor):
    """Check a file; returns what it proves, in words."""
    if not text.startswith("{"):
        demand(anchor in (None, text), "a checkpoint alone does not say how it continues another")
        origin, size, _, time = checkpoint(text, key)
        return f"{origin!a} had {size} entries at {time}"
    document = json.loads(text, object_pairs_hook=once)
    note = checkpoint(document["checkpoint"], key)
    kind = document["format"]
    if kind == "sazon-audit-consistency-1" and anchor is None:
        anchor = document["anchor"]["checkpoint"]
    if anchor is not None:
        continues(document, note, anchor, key)
    if kind == "sazon-audit-dossier-1":
        return dossier(document, note)
    if kind == "sazon-audit-inclusion-1":
        found, opened = leaf(document["entry"])
        index, proof = document["index"], [unhex(one) for one in document["proof"]]
        demand(type(index) is int and 0 <= index < note[1], "there is no such entry")
        same = inclusion_root(index, note[1], found, proof) == note[2]
        demand(same and not proof, "the entry is not in the log at this place")
        return f"entry {index}: {json.dumps(opened)}"
    demand(kind == "sazon-audit-consistency-1", "the kind of file is not known")
    return f"the log of {note[1]} entries continues the earlier one"


def main():
    """Read the arguments, check, say so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--key", required=True)
    parser.add_argument("--anchor", type=Path)
    given = parser.parse_args()
    try:
        anchor = given.anchor.read_bytes().decode() if given.anchor else None
        found = check(given.file.read_bytes().decode(), bytes.fromhex(given.key), anchor)
    except Wrong as wrong:
        sys.exit(f"DOES NOT HOLD: {wrong}")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as wrong:
        sys.exit(f"DOES NOT HOLD: not in its form ({type(wrong).__name__})")
    print(f"holds: {found}")


if __name__ == "__main__":
    main()
