"""Where corpora, models, rewards and tuned checkpoints come from, in the config and in the DAG."""

import pytest
import yaml
from own_sources import OWN, PAIR, ROOT, jobs, snakemake

from rewardscope.config.config import ConfigError, check_files, load, tuned_checkpoint


def config(change: str = ""):
    """The project's configuration, `change` over it."""
    merged = yaml.safe_load((ROOT / "config.yaml").read_text())
    for overlay in (OWN, change):
        merged = merge(merged, yaml.safe_load(overlay) or {})
    return load(merged)


def merge(base, overlay):
    both = isinstance(base, dict) and isinstance(overlay, dict)
    return {**base, **{key: merge(base.get(key), value) for key, value in overlay.items()}} if both else overlay


# ---- the config ------------------------------------------------------------------------------
def test_tuned_checkpoint(project):
    assert tuned_checkpoint("tuned") == {"path": "tuned"}
    for path in ("/no/where", "./untuned", "a/b/c", "~/x"):
        assert tuned_checkpoint(path) == {"path": path}
    assert tuned_checkpoint("org/name") == {"hub": "org/name", "revision": None}
    assert tuned_checkpoint("org/name@step9") == {"hub": "org/name", "revision": "step9"}
    assert tuned_checkpoint("untuned") == {"hub": "untuned", "revision": None}
    (project / "org/name@step9").mkdir(parents=True)
    assert tuned_checkpoint("org/name@step9") == {"path": "org/name@step9"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("corpora: {mine: {path: {test: data/none.csv}}}", "corpora.mine.path.test is data/none.csv"),
        ("models: {theirs: {path: nowhere}}", "models.theirs.path is nowhere"),
        ("pairs: [{model: tiny, reward: utility, corpus: reviews, rlhf: ./nowhere}]", "pairs[0].rlhf is ./nowhere"),
        ("models: {tiny: {pretrain: {corpus: gone}}}\ncorpora: {gone: {path: {train: a.txt, test: b.txt}}}\n"
         "pairs: [{model: tiny, reward: utility, corpus: reviews}]", "corpora.gone.path.train is a.txt"),
        ("rewards: {judge: {classifier: {path: nowhere}}}\npairs: [{model: tiny, reward: judge, corpus: reviews}]",
         "rewards.judge.classifier.path is nowhere"),
        ("rewards: {sentiment: {classifier: {train: {corpus: gone}}}}\ncorpora: {gone: {path: {train: a.txt, test: b.txt}}}\n"
         "pairs: [{model: tiny, reward: sentiment, corpus: reviews}]", "corpora.gone.path.train is a.txt"),
    ],
)  # fmt: skip
def test_files_that_a_pair_needs_must_be_there(project, change, said):
    check_files(config())
    with pytest.raises(ConfigError) as caught:
        check_files(config(change))
    assert str(caught.value) == f"config: {said}, which is not there; paths are relative to {project}"


def test_other_files_need_not_be_there(project):
    check_files(config("corpora: {gone: {path: {train: a.txt, test: b.txt}}}\nmodels: {gone: {path: a, sae: {widths: [1, 2], l1: 1}}}"))


# ---- the DAG ---------------------------------------------------------------------------------
@pytest.mark.workflow
def test_plan(project):
    """Who has a tuned checkpoint runs no PPO, and no second run of it."""
    planned = jobs(snakemake(project, "--dry-run"))
    assert sorted(output for rule, output in planned if rule == "tuned") == [
        "results/pairs/far/length/run1/rlhf/model", f"{PAIR}/rlhf/model"
    ]  # fmt: skip
    assert sorted(output for rule, output in planned if rule == "rlhf") == [f"results/pairs/far/utility/run{run}/rlhf/model" for run in (1, 2)]
    assert len([rule for rule, _ in planned if rule == "divergence"]) == 4
    assert {output for rule, output in planned if rule == "base_model"} == {"results/models/theirs/model", "results/models/far/model"}


@pytest.mark.workflow
def test_a_mistake_is_one_line(project):
    """In a job as well as before the first one."""
    (project / "data/test.csv").write_text('text,label\n"cut short')
    run = snakemake(project, "results/corpora/mine/test.parquet")
    said = [line for line in run.stderr.splitlines() if "data/test.csv, line 2: not CSV" in line]
    assert run.returncode != 0 and len(said) == 1 and said[0].startswith("rewardscope: corpus: ")
    assert not [line for line in run.stderr.splitlines() if line.startswith("Traceback")]
    (project / "rewards.py").write_text("def other(texts): ...\n")
    run = snakemake(project, "--dry-run")
    assert run.returncode != 0 and run.stderr.splitlines()[-1] == "rewardscope: rewards.py: there is no function length; there: other"
