"""Default deny, fail closed, one way out: grants, the gate that seals, the egress that sends."""
