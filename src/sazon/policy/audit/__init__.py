"""A log that cannot be changed unnoticed, and proofs that somebody else can check.

`merkle` hashes, `entry` is what is recorded, `checkpoint` what is signed, `log` keeps it, `claims` answers
questions about it in a file that stands alone. `docs/audit.md` specifies the formats.
"""
