"""The locks of a recipe while a command works: whatever is kept sealed is read and written with them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sazon.policy.locks import Locks, exist
from sazon.policy.safe import Safe, held
from sazon.recipe import Recipe


@contextlib.contextmanager
def unlocked(wanted: Recipe) -> Iterator[Locks | None]:
    """Open the locks of a recipe and put its safe in hand; None where no keys were made.

    Raises:
        SazonError: there are keys, and something of theirs cannot be opened or trusted.
    """
    if not exist(wanted.config.policy, wanted.root):
        yield None
        return
    with contextlib.closing(Locks.open(wanted.config.policy, root=wanted.root)) as locks:
        with held(Safe(locks.vault, locks.keyring)):
            yield locks
