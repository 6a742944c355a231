"""The recipe's section: strict, documented, and never a permission by itself."""

import pytest
from pydantic import ValidationError

from sazon.policy.config import PolicyConfig


def test_the_section_of_the_design_is_read():
    config = PolicyConfig.model_validate(
        {
            "consents": "consents.jsonl",
            "local_basis": {"adapt": "contract", "evaluate": "contract"},
            "opt_in": ["federate", "infer.external", "ledger"],
        }
    )
    assert config.local_basis == {"adapt": "contract", "evaluate": "contract"}


@pytest.mark.parametrize(
    "section",
    [
        {"opt_in": ["everything"]},
        {"opt_in": ["ledger", "ledger"]},
        {"opt_in": "ledger"},
        {"local_basis": {"adapt": "because"}},
        {"local_basis": {"infer.external": "contract"}},
        {"consents": ""},
        {"allow": True},
    ],
)
def test_what_is_not_understood_is_refused(section):
    with pytest.raises(ValidationError):
        PolicyConfig.model_validate(section)


def test_nothing_is_opted_in_by_default():
    assert PolicyConfig() == PolicyConfig(consents=None, local_basis={}, opt_in=[])
