"""Every error a person may meet: what happened, where, and how to mend it.

    SazonError
    ├── RecipeError        the recipe is wrong                         exit 2
    ├── DataError          the data is wrong                           exit 2
    ├── EnvironmentLacks   this machine lacks something                exit 3
    ├── PluginError        unknown or broken technique, scorer, …      exit 2
    ├── ProviderError      a model provider failed (maybe retryable)   exit 3
    ├── PolicyRefused      the policy does not allow it                exit 2
    └── IntegrityError     a file is not what its digest says          exit 2

Only `cli` and `gateway` turn them into words for people.
"""

from __future__ import annotations

from collections.abc import Sequence


class SazonError(Exception):
    """An error that says what happened, where, and how to mend it."""

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        """Build the error; `what` never holds inputs, keys or other secrets."""
        self.what = what
        self.where = where
        self.mend = mend
        super().__init__(str(self))

    def __str__(self) -> str:
        """`where: what. mend` on one line."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head.rstrip('.')}. {self.mend}" if self.mend else head


class RecipeError(SazonError):
    """The recipe is wrong; `problems` lists all of them at once."""

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        mend: str = "",
        problems: Sequence[SazonError] = (),
    ) -> None:
        """Keep the single problems beside the summary."""
        self.problems = tuple(problems)
        super().__init__(what, where=where, mend=mend)


class DataError(SazonError):
    """The data cannot be read or cannot carry the task; `problems` lists all at once."""

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        mend: str = "",
        problems: Sequence[SazonError] = (),
    ) -> None:
        """Keep the single problems beside the summary."""
        self.problems = tuple(problems)
        super().__init__(what, where=where, mend=mend)


class EnvironmentLacks(SazonError):
    """This machine lacks a package, weights, memory, disk or a permission."""

    exit_code = 3


class PluginError(SazonError):
    """A technique, scorer or other plug-in is unknown or broken."""


class ProviderError(SazonError):
    """A model provider failed; `retryable` says whether trying again can help."""

    exit_code = 3

    def __init__(self, what: str, *, where: str = "", mend: str = "", retryable: bool = False) -> None:
        """Keep whether a retry can help."""
        self.retryable = retryable
        super().__init__(what, where=where, mend=mend)


class PolicyRefused(SazonError):
    """The policy does not allow this; nothing was sent."""


class IntegrityError(SazonError):
    """A file is not what its recorded digest says it is."""
