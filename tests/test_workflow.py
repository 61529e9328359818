"""The real DAG, at a very small size, from a clean directory: results, reruns, staleness, bad input."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from workflow_runs import PAIR, ROOT, SECRET, planned, snakemake

from rewardscope.run.lineage import lineage

TABLES = ("table3", "table4", "quality", "table1", "table2", "table5", "section5.3", "section5.3.words", "section6.1")
EVERY = [*(f"results/tables/{name}.csv" for name in TABLES), f"{PAIR}/comparison.parquet"]
pytestmark = pytest.mark.workflow


def test_tables_have_the_contract_s_columns(finished):
    shared = "model reward m_base m_rlhf difference ci_low ci_high p_value samples top_k explainer unit runs sae_seeds".split()
    three, four = (pd.read_csv(finished / file) for file in EVERY[:2])
    assert set(shared) <= set(three) and set(shared) <= set(four)
    assert {"reward_base", "reward_rlhf", "reward_difference", "reward_ci_low", "reward_ci_high"} <= set(four)
    assert three["model"].tolist() == four["model"].tolist() == ["tiny"]
    assert three["unit"][0] == "SAE noise of one run" and four["unit"][0] == "prompt"
    assert four["samples"][0] == 10


def test_every_row_is_of_the_pair_that_was_run(finished):
    tables = [pd.read_csv(file) for file in sorted((finished / "results/tables").glob("*.csv"))]
    named = [table for table in tables if "reward" in table and len(table)]  # no feature of the crosscoder need be the tuned side's own
    assert len(named) > 8
    for table in named:
        assert set(table["model"]) == {"tiny"} and set(table["reward"]) <= {"utility"}


def test_artifacts_of_the_contract_are_there(finished):
    site = finished / PAIR / "rlhf"
    layers = json.loads((finished / PAIR / "layers.json").read_text())
    assert list(layers) == ["top1"] and layers["top1"] in range(4)
    divergence = pd.read_csv(finished / PAIR / "divergence.csv")
    assert divergence.groupby("layer")["distance"].sum().idxmax() == layers["top1"]
    index = pd.read_parquet(site / "activations/tokens.parquet")
    assert {"document", "part", "corpus", "position", "token"} <= set(index)
    for path in ("saes/paper/top1/width32/seed2/sae.safetensors", "nulls/paper/top1.parquet",
                 "features/paper/top1/seed1.parquet", "features/paper/top1/seed1.activations.parquet"):  # fmt: skip
        assert (site / path).exists(), path
    lines = (site / "explanations/paper/top1/tokens/seed1.sample1.jsonl").read_text().splitlines()
    assert {"feature", "activates_on", "promotes", "evidence", "explainer"} <= set(json.loads(lines[0]))
    assert not list((finished / "results").rglob("*.partial"))


def test_tables_1_and_2_say_what_the_runs_did(finished):
    """Against the training log and the weights: two ways to what the settings say."""
    from safetensors.numpy import load_file

    used = pd.read_csv(finished / "results/tables/table1.csv").set_index("setting")["used"]
    log = pd.read_parquet(finished / PAIR / "rlhf/training.parquet")
    assert (int(used["batch"]), int(used["updates"])) == (log["episode"][0], len(log)) == (16, 4)
    assert float(used["kl"]) == log["kl_coefficient"][0]
    two = pd.read_csv(finished / "results/tables/table2.csv").set_index("setting")
    for size, width in (("small", 32), ("large", 64)):
        sae = load_file(finished / PAIR / f"rlhf/saes/paper/top1/width{width}/seed1/sae.safetensors")
        assert sae["w_enc"].shape == (int(two["used"][size]), int(two["used"]["d_model"])) == (width, 32)
    assert two["compared"]["tied"] == "equal" and two["compared"]["epochs"] == "differs"


def explanations(finished: Path, side: str, seed: int) -> list[dict]:
    """The lines of one seed at the only place, as many as the side with fewer living features has."""
    name = f"explanations/paper/top1/tokens/seed{seed}.sample1.jsonl"
    both = {s: (finished / PAIR / s / name).read_text().splitlines() for s in ("base", "rlhf")}
    return [json.loads(line) for line in both[side][: min(map(len, both.values()))]]


def test_table_5_is_every_explanation_with_its_cosine(finished):
    """Independent of the code under test: cosines from the stored dictionaries."""
    import numpy as np
    from safetensors.numpy import load_file

    table = pd.read_csv(finished / "results/tables/table5.csv")
    assert set(table["side"]) == {"base", "rlhf"}
    for side, own in table.groupby("side"):
        lines = explanations(finished, side, 1)
        assert own["activates_on"].tolist() == [line["activates_on"] for line in lines]
        assert own["feature"].tolist() == [line["feature"] for line in lines]
        assert own["place"].tolist() == list(range(1, len(lines) + 1)) and set(own["top_k"]) == {len(lines)}
        small, large = (load_file(finished / PAIR / side / f"saes/paper/top1/width{w}/seed1/sae.safetensors")["w_enc"] for w in (32, 64))
        a, b = small[own["feature"]], large[own["large_feature"]]
        cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        assert np.allclose(own["cosine"], cosine, atol=1e-5) and own["cosine"].is_monotonic_decreasing


def test_sections_5_3_and_6_1_are_of_the_explanations(finished):
    """Against Table 3, and a plain recount of what the features promote."""
    three, said, films = (pd.read_csv(finished / f"results/tables/{name}.csv") for name in ("table3", "section5.3", "section6.1"))
    assert said.set_index("measure")["promotes_rlhf"]["utility"] == pytest.approx(three["promotes_signed_rlhf"][0])
    seeds = [explanations(finished, "rlhf", seed) for seed in (1, 2)]
    raised = [{token["token"].strip().lower() for token in line["raised"]} for lines in seeds for line in lines]
    words = pd.read_csv(finished / "results/tables/section5.3.words.csv", keep_default_na=False)
    assert len(words) and words["promotes_rlhf"].sum() > 0
    for word, promotes in zip(words["word"], words["promotes_rlhf"], strict=True):
        assert promotes == sum(word in tokens for tokens in raised) / 2, word
    assert films["layer"].tolist() == [str(json.loads((finished / PAIR / "layers.json").read_text())["top1"]), "all"]
    assert set(films["texts"]) == {sum(map(len, seeds)) / 2} and films["sae_seeds"].tolist() == [2, 2]


def test_no_explanation_holds_its_side(finished):
    for side in ("base", "rlhf"):
        for file in (finished / PAIR / side / "explanations").rglob("*.jsonl"):
            text = file.read_text()
            assert "rlhf" not in text.lower() and not {"side", "model", "reward"} & set(json.loads(text.splitlines()[0]))


def test_feature_activations_are_those_of_the_stored_sae(finished):
    """Independent of the code under test: a feature's activations from the shards by NumPy."""
    import numpy as np
    from safetensors.numpy import load_file

    site = finished / PAIR / "base"
    index = pd.read_parquet(site / "activations/tokens.parquet")
    shards = sorted((site / "activations/top1/part0").glob("fit-*")) + sorted((site / "activations/top1/part0").glob("held-*"))
    x = np.concatenate([load_file(file)["x"] for file in shards])
    sae = load_file(site / "saes/paper/top1/width32/seed1/sae.safetensors")
    stored = pd.read_parquet(site / "features/paper/top1/seed1.activations.parquet")
    feature = int(stored["feature"].iloc[0])
    value = np.maximum(x @ sae["w_enc"][feature] + sae["b_enc"][feature], 0)
    dense = index.assign(value=value)[value > 1e-5].sort_values(["document", "position"])
    ours = stored[(stored["feature"] == feature) & (stored["value"] > 1e-5)]
    assert ours[["document", "position"]].to_numpy().tolist() == dense[["document", "position"]].to_numpy().tolist()
    assert np.allclose(ours["value"], dense["value"], atol=1e-5)


def test_step4_and_probe_have_the_contract_s_rows(finished):
    step4, probe = (pd.read_csv(finished / f"results/tables/{name}.csv") for name in ("step4", "probe"))
    layer = str(json.loads((finished / PAIR / "layers.json").read_text())["top1"])
    assert set(step4["layer"]) == {layer, "total"} and set(step4["change"]) == {"found", "lost", "kept", "moved base", "moved rlhf"}
    step4 = step4[step4["among"] != "crosscoder"]
    assert set(step4["kept_at"].dropna()) == {"chance", "0.7", "0.8", "0.9"} and set(step4["among"]) == {"top 5", "all"}
    sums = step4[step4["kept_at"].notna()].pivot(index=["layer", "among", "kept_at"], columns="change", values=["count", "features"])
    assert (sums["count"]["lost"] + sums["count"]["kept"] - sums["features"]["lost"]).abs().max() < 1e-9
    assert set(probe["layer"].dropna()) == {layer, "total"} and set(probe["metric"]) == {"tau", "r2"}
    assert set(probe["predictors"]) == {"features", "controls", "features - controls", "tokens", "mean"}
    test = pd.read_parquet(finished / "results/corpora/reviews/test.parquet")
    assert (probe["fit"] + probe["held"]).unique().tolist() == [len(test)]


def test_own_features_of_crosscoders_are_in_words(finished):
    counts, own = (pd.read_csv(finished / f"results/tables/{name}.csv") for name in ("crosscoder", "crosscoder_features"))
    assert len(own) == counts["rlhf_alone"].clip(upper=20).sum() and own[["activates_on", "promotes"]].notna().all(axis=None)
    assert "One dictionary of both models" in (finished / "results/report.html").read_text()


def test_step_4_and_the_browser_have_the_crosscoder(finished):
    """Its rows come after the others, which are as they are without one."""
    from rewardscope.report.report import read
    from rewardscope.tables import step4

    lines, table = (finished / "results/tables/step4.csv").read_text().splitlines(True), pd.read_csv(finished / "results/tables/step4.csv")
    (counts,) = pd.read_csv(finished / "results/tables/crosscoder.csv").to_dict("records")
    joint = table[(table["among"] == "crosscoder") & (table["layer"] == "total")].set_index("change")
    assert joint[["count", "null"]].loc[["found", "lost"]].to_numpy().ravel().tolist() == [counts[n] for n in ("rlhf_alone", "null_rlhf_alone", "base_alone", "null_base_alone")]  # fmt: skip
    comparison = pd.read_parquet(finished / PAIR / "comparison.parquet").assign(run="run1")
    made = [("run1", comparison["layer"].iloc[0], seed) for seed in (1, 2)]
    without = pd.DataFrame(step4.rows(comparison, 5, {"model": "tiny", "reward": "utility"}, [], made), columns=step4.COLUMNS).to_csv(index=False)
    assert "".join(lines[: len(lines) - 6]) == without  # a layer and the total, three changes each
    entries = [entry for entry in read(finished / "results/report.html")["features"] if "norm" in entry]
    assert len(entries) == min(20, counts["features"]) and all("/crosscoder/" in entry["id"] and entry["up"] for entry in entries)


def test_every_job_has_a_record_of_what_it_read_and_wrote(finished):
    results = finished / "results"
    records = [json.loads(file.read_text()) for file in (results / "provenance").rglob("*.json") if not file.is_symlink()]
    assert len(records) == len(list((results / "benchmarks").rglob("*.tsv")))
    made = [name for record in records for name in record["outputs"]]
    assert len(set(made)) == len(made) and all((results / "provenance" / f"{name}.json").exists() for name in made)
    files = {str(f.relative_to(results)) for f in results.rglob("*") if f.is_file() and f.suffix in (".csv", ".parquet", ".safetensors", ".jsonl")}
    assert not [file for file in files if not any(file == name or file.startswith(f"{name}/") for name in made)]
    assert {name for record in records for name in record["inputs"]} <= set(made)  # the embedded run is given nothing
    assert all(record["params"]["code"] and record["device"] and record["libraries"]["snakemake"] for record in records)


def test_an_sae_job_loads_no_transformers(finished):
    record = lambda path: json.loads((finished / "results/provenance" / f"{path}.json").read_text())
    libraries = record("pairs/tiny/utility/run1/rlhf/saes/paper/top1/width32/seed1/sae.safetensors")["libraries"]
    assert "torch" in libraries and not {"transformers", "trl", "datasets", "tokenizers"} & set(libraries)
    assert "transformers" in record("pairs/tiny/utility/run1/divergence.csv")["libraries"]  # it would be seen


def test_lineage_goes_from_every_table_back_to_the_corpus(finished):
    for table in EVERY:
        text, whole = lineage(str(finished / table), as_json=True)
        chain = json.loads(text)
        assert whole and not chain["given"] and not chain["gone"]
        assert chain["jobs"][0]["used"] == [table.removeprefix("results/")]
        rules = [job["rule"] for job in chain["jobs"]]
        assert rules.index("rlhf") < rules.index("base_model") < rules.index("corpus") == len(rules) - 1


def test_no_secret_of_the_environment_is_written_or_said(finished):
    files = [file for file in finished.rglob("*") if file.is_file()]
    assert len(files) > 100 and not [file for file in files if SECRET.encode() in file.read_bytes()]


def test_a_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in (run := snakemake(finished)).stderr + run.stdout


def test_what_a_run_says_is_plain_text_in_a_file(finished):
    said = (finished / "said.txt").read_text()
    assert "\x1b" not in said and "\r" not in said
    steps = int(re.search(r"^(\d+) steps: ", said, re.MULTILINE)[1])
    done = [int(n) for n in re.findall(r"done in .*; (\d+) of \d+ steps", said)]
    assert done == list(range(1, steps))  # the last step is `all`, which does nothing
    assert not [line for line in said.splitlines() if len(line) > 600]


def test_snakemake_s_report_shows_the_tables_with_their_captions(finished):
    run = snakemake(finished, "--report", "results/report-snakemake.html")
    assert run.returncode == 0, run.stderr
    page = (finished / "results/report-snakemake.html").read_text()
    for words in ("Rewardscope tunes a base model", "Table 3 of the paper", "Table 4 of the paper", "How far the autoencoders can be trusted",
                  "3: what features fire on", "model tiny, reward utility, corpus reviews", "the Euclidean distance between base and tuned",
                  "Agreement of the small with the large dictionary", "beside that of a trigram model"):  # fmt: skip
        assert words in page, words


AFTER_EXPLANATIONS = {"table3", "table5", "section5_3", "section6_1", "report"}
AFTER_SAES = {
    "saes",
    "nulls",
    "features",
    "feature_activations",
    "explanations",
    "controls",
    "comparison",
    "groups",
    "quality",
    "table2",
    "step4",
    "joint",
    "crosscoder",
    "crosscoder_table",
    "findings",
    "findings_table",
    "probe",
} | AFTER_EXPLANATIONS


def test_a_changed_reward_keeps_corpus_and_base_model(finished, tmp_path):
    (finished / "words.csv").write_text("word,utility\ngood,1\n")
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("rewards: {utility: {words: words.csv}}")
    rules = planned(snakemake(finished, "--dry-run", "--configfile", str(ROOT / "tests/small.yaml"), str(overlay)))
    assert "rlhf" in rules and "table3" in rules
    assert not {"corpus", "base_model", "perplexity"} & rules


MISTAKES = [
    ("sae_sedes: 3", "sae_seeds"),
    ("sae_seeds: many", "sae_seeds"),
    ("models: {tiny: {sae: {widths: [0, 64]}}}", "widths"),
    ("picks: {top: 9}", "picks.top"),
    ("pairs: [{model: tini, reward: utility, corpus: reviews}]", "did you mean tiny"),
    ("pairs: [{model: tiny, reward: utilty, corpus: reviews}]", "did you mean utility"),
    ("rewards: {utility: {words: broken.csv}}", "broken.csv, row 3: the utility of 'bad' is 'none', not a number"),
    ("rewards: {utility: {words: nowhere.csv}}", "nowhere.csv: there is no such file"),
]


@pytest.mark.parametrize(("change", "said"), MISTAKES, ids=[change for change, _ in MISTAKES])
def test_a_bad_config_is_one_line_and_writes_nothing(tmp_path, change, said):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(change)
    (tmp_path / "broken.csv").write_text("word,utility\ngood,1\nbad,none\n")
    run = snakemake(tmp_path, "--configfile", str(ROOT / "tests/small.yaml"), str(overlay))
    lines = [line for line in (run.stdout + run.stderr).splitlines() if "profile" not in line and "Config file" not in line]
    assert run.returncode != 0
    assert len(lines) == 1 and lines[0].startswith("rewardscope: ") and said in lines[0]
    assert not (tmp_path / "results").exists()


def test_conda_environments_pin_what_pyproject_pins():
    import tomllib

    pinned = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    for file in (ROOT / "envs").glob("*.yaml"):
        ours = next(d["pip"] for d in yaml.safe_load(file.read_text())["dependencies"] if isinstance(d, dict))
        assert set(ours) <= pinned, file.name
