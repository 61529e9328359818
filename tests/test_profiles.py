"""The profiles and the rules agree on who computes on a GPU."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
RULES = "\n".join(file.read_text() for file in sorted((ROOT / "workflow/rules").glob("*.smk")))
BODIES = dict(re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", RULES, re.MULTILINE))


@pytest.mark.parametrize("profile", ["local", "slurm"])
def test_every_rule_with_a_device_asks_for_a_gpu_and_no_other_does(profile):
    resources = yaml.safe_load((ROOT / f"profiles/{profile}/config.yaml").read_text())["set-resources"]
    assert {rule for rule, own in resources.items() if own.get("gpu")} == {rule for rule, body in BODIES.items() if "device=" in body}


def test_no_rule_asks_for_hardware_itself():
    assert not [rule for rule, body in BODIES.items() if "resources:" in body or "retries:" in body]


def test_every_rule_has_a_log_and_a_benchmark_of_one_name():
    names = {rule: re.findall(r"at\(f?\"(?:logs|benchmarks)/(.*)\.(?:log|tsv)\"\)", body) for rule, body in BODIES.items()}
    assert not [rule for rule, found in names.items() if len(found) != 2 or len(set(found)) != 1 or not re.match(rf"{rule}\b", found[0])]


def test_memory_grows_with_every_attempt():
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    asked = [profile["default-resources"], *profile["set-resources"].values()]
    assert all(own["mem_mb"].endswith("* attempt") for own in asked if "mem_mb" in own) and profile["retries"] > 0
