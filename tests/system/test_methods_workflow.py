"""A model that is tuned by DPO, on pairs of its own and on a file's, through the workflow: every table and page names the method."""

import json

import pandas as pd
import pytest
from workflow_runs import snakemake

OVERLAY = """
rewards:
  utility-dpo: {like: utility, method: dpo}
  preferred: {like: utility, method: dpo, lora: {rank: 2, alpha: 4.0}, dpo: {preferences: {path: pairs.jsonl, prompt: prompt, tokens: 32}}}
pairs:
  - {model: tiny, reward: utility-dpo, corpus: reviews}
  - {model: tiny, reward: preferred, corpus: reviews}
targets: [table1, table4, methods, report]
"""


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("methods")
    (folder / "dpo.yaml").write_text(OVERLAY)
    pairs = [{"prompt": "The film was", "chosen": f" {good}.", "rejected": " terrible."} for good in ("great", "good", "lovely")]
    (folder / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)) + "\n")
    run = snakemake(folder, "dpo.yaml")
    assert run.returncode == 0, run.stderr
    return folder


def test_the_training_table_and_the_model(tuned):
    for reward in ("utility-dpo", "preferred"):
        folder = tuned / f"results/pairs/tiny/{reward}/run1/rlhf"
        rows = pd.read_parquet(folder / "training.parquet")
        assert set(rows["method"]) == {"dpo"} and rows["update"].tolist() == [1, 2, 3, 4] and rows["episode"].tolist() == [16, 32, 48, 64]
        assert rows["tokens"].is_monotonic_increasing and abs(rows["kl"][0]) < 1e-4 < abs(rows["kl"].iloc[-1])
        settings = json.loads((folder / "settings.json").read_text())
        assert settings["method"] == "dpo" and settings["beta"] == 0.1 and "kl" not in settings and ("lora" in settings) == (reward == "preferred")
        assert (folder / "model/model.safetensors").exists() and not (folder / "model/adapter_config.json").exists()


def test_tables_and_report_name_the_method(tuned):
    used = pd.read_csv(tuned / "results/tables/table1.csv").set_index(["reward", "setting"])["used"]
    assert used["utility-dpo", "method"] == used["preferred", "method"] == "dpo" and ("utility-dpo", "kl") not in used
    table = pd.read_csv(tuned / "results/tables/methods.csv").set_index("reward")
    assert table["method"].tolist() == ["dpo", "dpo"] and table["matched_kl"].nunique() == 1 and table["reward_at_matched_kl"].notna().all()
    page = (tuned / "results/report.html").read_text()
    assert "<h2>tiny, tuned by DPO on utility-dpo</h2>" in page and "each update of DPO began" in page and "PPO" not in page
    assert "the chosen responses of the pairs in pairs.jsonl. The reward, which it was not tuned on, is a yardstick here" in page
