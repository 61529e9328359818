"""DPO on a data set of the hub, through its rules: what is read of it, what is recorded, and that a silent change is refused."""

import json
from pathlib import Path

import fake_hub
import pandas as pd
import pytest
import tiny
from own_sources import OWN, jobs, snakemake

from rewardscope.rlhf import preferences

OVERLAY = (
    OWN.split("rewards:")[0]
    + """
rewards:
  told: {like: utility, method: dpo, dpo: {preferences: {hub: {name: org/pairs, split: prefs}, prompt: prompt, tokens: 32}}}
rlhf: {updates: 1, batch: 4, minibatch: 2, response_tokens: 4, prompt_tokens: [2, 4], prompt_characters: 20}
pairs: [{model: theirs, reward: told, corpus: mine}]
activations: {tokens: 16}
"""
)
PAIRS = Path(__file__).parents[1] / "inputs" / "preferences" / "pairs.jsonl"
SETTINGS, MADE = "results/pairs/theirs/told/run1/rlhf/settings.json", Path("results/rewards/told")


@pytest.mark.workflow
def test_a_data_set_of_the_hub(project):
    (project / "own.yaml").write_text(OVERLAY)
    fake_hub.lay_out(project / "hub", "dataset", "org/pairs", fake_hub.FIRST, {"data/prefs-00000-of-00001.jsonl": PAIRS.read_bytes()})
    run = snakemake(project, SETTINGS)
    assert run.returncode == 0, run.stderr
    assert json.loads((MADE / "preferences.json").read_text()) == {"hub": "org/pairs", "revision": None, "commit": fake_hub.FIRST, "split": "prefs"}
    columns = {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected", "tokens": 32}
    told, theirs = (preferences.read({"path": str(path), **columns}, tiny.tokenizer()) for path in (MADE / "preferences.parquet", PAIRS))
    assert told == theirs and len(told) == 4
    learned = pd.read_parquet(Path(SETTINGS).with_name("training.parquet"))["tokens"].iloc[-1]
    assert learned in {sum(len(pair.chosen) + len(pair.rejected) for pair in (one, other)) for one in told for other in told if one is not other}
    assert json.loads(Path(SETTINGS).read_text())["preferences"]["hub"]["name"] == "org/pairs"
    assert jobs(snakemake(project, SETTINGS, "--dry-run")) == []

    fake_hub.lay_out(project / "hub", "dataset", "org/pairs", fake_hub.SECOND, {"data/prefs-00000-of-00001.jsonl": PAIRS.read_bytes()[:80]})
    run = snakemake(project, str(MADE / "preferences.json"), "--forcerun", "preferences")
    said = [line for line in run.stderr.splitlines() if line.startswith("rewardscope: preferences: ")]
    assert run.returncode != 0 and len(said) == 1 and f"was commit {fake_hub.FIRST} and is now {fake_hub.SECOND}" in said[0]
    assert json.loads((MADE / "preferences.json").read_text())["commit"] == fake_hub.FIRST
