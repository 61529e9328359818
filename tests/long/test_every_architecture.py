"""Every architecture of tests/models/test_families.py through the real DAG."""

import sys
from pathlib import Path

import architectures

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from test_families import READ, REFUSED


def test_every_architecture(tmp_path):
    assert len(READ) >= 20
    architectures.check(tmp_path, list(READ), list(REFUSED))
