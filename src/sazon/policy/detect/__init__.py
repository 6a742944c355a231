"""Finding what is sensitive in a text: spans with a kind, never their values."""

from sazon.policy.detect.inspector import Inspection, Inspector, default_inspector
from sazon.policy.detect.span import KINDS, Detector, Kind, Span

__all__ = ["KINDS", "Detector", "Inspection", "Inspector", "Kind", "Span", "default_inspector"]
