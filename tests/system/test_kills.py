"""Three kills of the kind that `kills.py` does by the dozen: of extraction, SAE training and PPO."""

import kills
import pytest

pytestmark = pytest.mark.workflow


def test_kills():
    assert kills.run(kills=3, seed=1, rules=["activations", "saes", "rlhf"]) == 0
