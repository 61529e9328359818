"""Three architectures of today through the real DAG, and one that is refused beside them (tests/long/test_every_architecture.py has all)."""

import architectures
import pytest


@pytest.mark.workflow
def test_three_architectures(tmp_path):
    architectures.check(tmp_path, ["qwen2", "gemma3_text", "mixtral"], ["opt"])
