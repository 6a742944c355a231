"""Pseudonyms: what is sensitive leaves as `⟦PERSON_7K2QX9⟧` and comes back as itself."""

from sazon.policy.pseudonyms.conversation import Conversation
from sazon.policy.pseudonyms.events import RestoringEvents, restore_answer
from sazon.policy.pseudonyms.restoring import Restoring, RestoringBytes

__all__ = ["Conversation", "Restoring", "RestoringBytes", "RestoringEvents", "restore_answer"]
