"""Pseudonyms: what is sensitive leaves as `⟦PERSON_7K2QX9⟧` and comes back as itself."""

from sazon.policy.pseudonyms.conversation import Conversation
from sazon.policy.pseudonyms.events import RestoringEvents
from sazon.policy.pseudonyms.restoring import Restoring, RestoringBytes
from sazon.policy.pseudonyms.whole import cover_request, restore_answer

__all__ = [
    "Conversation",
    "Restoring",
    "RestoringBytes",
    "RestoringEvents",
    "cover_request",
    "restore_answer",
]
