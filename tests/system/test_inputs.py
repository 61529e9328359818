"""The malformed tables and lexica of tests/inputs through the DAG: one line that names the file, nothing written that looks finished."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny_classifier
import yaml
from own_sources import OWN
from own_sources import snakemake as own_snakemake
from workflow_runs import server, snakemake

from rewardscope.data.words import words
from rewardscope.rewards.utility import load_table

INPUTS = Path(__file__).parents[1] / "inputs"
TABLES = sorted((INPUTS / "tables").iterdir())
LEXICA = sorted(file for file in (INPUTS / "lexica").iterdir() if file.stem != "scripts")


@pytest.mark.workflow
def test_malformed_tables(tmp_path):
    """A corpus of each in one run: every job fails with one line of its own, and leaves no corpus."""
    names = {f"c{i}": file for i, file in enumerate(TABLES)}
    entries = {name: {"path": {"train": str(file), "test": str(file)}, "generate": None} for name, file in names.items()}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"corpora": entries}))
    targets = [f"results/corpora/{name}/train.parquet" for name in names]
    run = snakemake(tmp_path, "mine.yaml", "--keep-going", "--", *targets)
    assert run.returncode != 0
    said = [line for line in run.stderr.splitlines() if line.startswith("rewardscope: corpus: ")]
    for file in names.values():
        assert len([line for line in said if f"{file}, " in line or f"{file}: " in line]) == 1, (file, said)
    assert not list((tmp_path / "results/corpora").rglob("*.parquet")) and "Traceback" not in run.stderr


@pytest.mark.workflow
def test_malformed_lexica(tmp_path):
    """Read before the first job: the run does not begin."""
    with server() as run:
        for file in LEXICA:
            (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"rewards": {"utility": {"words": str(file)}}}))
            ended = run(tmp_path, "--configfile", str(INPUTS.parent / "small.yaml"), "mine.yaml")
            said = [line for line in (ended.stdout + ended.stderr).splitlines() if str(file) in line]
            assert ended.returncode != 0 and len(said) == 1 and said[0].startswith("rewardscope: "), ended.stdout + ended.stderr
            assert not list(tmp_path.glob("results/corpora"))


@pytest.mark.workflow
def test_what_a_fetched_model_and_a_corpus_cannot_give_is_said_first(project):
    """Before anything heavy, of a checkpoint that was tuned elsewhere too: a reward that is the same everywhere; texts too long for the model."""
    (project / "words.csv").write_text("word,utility\nzyzzyva,3\nqoph,-2\n")
    (project / "flat.py").write_text("def flat(texts):\n    return [0.25] * len(texts)\n")
    tiny_classifier.tokenizer().save_pretrained(project / "judge")
    judge = tiny_classifier.build(("no", "yes"))
    judge.classifier.weight.data.zero_()
    judge.save_pretrained(project / "judge")
    overlay = yaml.safe_load(OWN) | {
        "rewards": {"nowhere": {"words": "words.csv"}, "again": {"like": "nowhere"}, "flat": {"function": "flat.py:flat"},
                    "length": {"function": "rewards.py:length"}, "judged": {"classifier": {"path": "judge", "positive": "yes"}}},
        "pairs": [{"model": "theirs", "reward": reward, "corpus": "mine", "rlhf": "tuned"}
                  for reward in ("again", "utility", "flat", "length", "judged")],
        "targets": ["table4"],
    }  # fmt: skip
    (project / "own.yaml").write_text(yaml.safe_dump(overlay))
    run = own_snakemake(project, "--until", "spread")
    said = [line for line in run.stderr.splitlines() if line.startswith("rewardscope: ")]
    assert run.returncode == 0 and Path("results/corpora/mine/train.parquet").exists()
    empty = "reward_* in tables/table4.csv and tables/probe.csv are empty"
    assert f"rewardscope: corpus: the reward again is the same, 0, for every document: none holds a word of words.csv; {empty}" in said
    bias = f"{judge.classifier.bias[1].item():g}"
    for reward, value in (("flat", "0.25"), ("judged", bias)):  # before any model is read
        same = f"the reward {reward} is the same, {value}, for each of the first 30 train documents: {empty}"
        assert said.count(f"rewardscope: spread: {same}") == 1, said
    assert not any(f"reward {reward}" in line and " is the same" in line for line in said for reward in ("utility", "length"))
    assert not Path("results/models").exists()
    (project / "own.yaml").write_text(yaml.safe_dump(overlay | {"causes": {"prefix": 60, "new": 5}}))
    run = own_snakemake(project, "results/models/theirs/model")
    longer = "rewardscope: base: causes.prefix + causes.new is 65, but the model reads at most 64 tokens; lower it"
    assert run.returncode != 0 and longer in run.stderr and not Path("results/models/theirs/model").exists()


@pytest.mark.workflow
def test_words_of_twelve_scripts_to_table4(tmp_path):
    """Documents in each script of tests/inputs/scripts, a lexicon with words of six: the table counts them as they are counted in the texts."""
    texts = [file.read_text(encoding="utf-8").splitlines()[0] for file in sorted((INPUTS / "scripts").glob("*.txt"))]
    for part in ("train", "test"):
        rows = [f"{text} {text} {part} {i}" for text in texts for i in range(8)]
        pd.DataFrame({"text": rows}).to_csv(tmp_path / f"{part}.csv", index=False)
    lexicon = str(INPUTS / "lexica" / "scripts.csv")
    overlay = {
        "corpora": {"scripts": {"path": {"train": "train.csv", "test": "test.csv"}, "held": 0.5}}, "rewards": {"words": {"words": lexicon}},
        "models": {"tiny": {"pretrain": {"corpus": "scripts", "steps": 150, "vocabulary": 700, "tokens": 64}}},
        "pairs": [{"model": "tiny", "reward": "words", "corpus": "scripts"}],
        "rlhf": {"updates": 1, "batch": 4, "minibatch": 2, "prompt_tokens": [2, 4], "prompt_characters": 20, "response_tokens": 8},
        "completions": {"documents": 36, "further": 0, "prefix": 4, "new": 24},
    }  # fmt: skip
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(overlay))
    run = snakemake(tmp_path, "mine.yaml", "--", "results/tables/table4.csv")
    assert run.returncode == 0 and "the same, 0" not in run.stderr, run.stderr
    (row,) = pd.read_csv(tmp_path / "results/tables/table4.csv").to_dict("records")
    table, seen = load_table(lexicon), set()
    for side in ("base", "rlhf"):
        written = pd.read_parquet(tmp_path / f"results/pairs/tiny/words/run1/{side}/completions.parquet")
        counted = [[table[word] for word in words(text) if word in table] for text in written["completion"]]
        assert row[f"m_{side}"] == pytest.approx(sum(np.abs(values).sum() for values in counted)) and row[f"m_{side}"] > 0
        whole = written["prefix"] + written["completion"]
        both = [sum(table[word] for word in words(text) if word in table) for text in whole]
        assert row[f"reward_{side}"] == pytest.approx(np.mean(np.clip(np.array(both) / 5, -10, 10)))
        seen |= {word for row in written["words"] for word in row}
    assert len(seen) >= 4 and seen <= table.keys()
