"""What the documents say to install can be installed, in a fresh copy; only `.ci/run` does it."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from tools.documents import Block, blocks, documents

INSTALLING = [block for document in documents() for block in blocks(document) if block.installs]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif("SAZON_CI_INSTALL" not in os.environ, reason="only with SAZON_CI_INSTALL=1")
@pytest.mark.parametrize("block", [pytest.param(block, id=str(block)) for block in INSTALLING])
def test_installs(block: Block, installing: Callable[[str], str]) -> None:
    installing(block.text)
