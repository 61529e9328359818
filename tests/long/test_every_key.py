"""Every key of the config: what becomes stale when it changes (tests/staleness.yaml)."""

import pytest
import staleness
from config_keys import leaves


@pytest.mark.parametrize("key", leaves())
def test_a_changed_key_reruns_what_reads_it(key, served, finished, rules_after, tmp_path):
    staleness.check(key, served, finished, rules_after, tmp_path / "overlay.yaml")
