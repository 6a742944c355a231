"""For tests of sazon and of plug-ins: a fake provider, tiny models, evidence for reports."""
