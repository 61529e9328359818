"""What the seeds of every script depend on: its own lines that derive them, run for one job and for jobs that differ from it in one part."""

import ast
from contextlib import suppress
from types import SimpleNamespace

import pytest
from workflow_runs import ROOT

from rewardscope.seeds import derive

FILES = {file.stem: file for file in sorted(ROOT.glob("workflow/scripts/*.py")) if "derive(" in file.read_text(encoding="utf-8")}
ONE = {
    "project": 1, "model": "tiny", "reward": "utility", "corpus": "reviews", "run": "run1", "side": "base", "pick": "top1", "width": 128,
    "seed": 1, "epoch": 0, "draw": 1, "scorer": "simulation", "kind": "shared",
}  # fmt: skip
OTHER = {
    "project": 2, "model": "other", "reward": "placebo", "corpus": "imdb", "run": "run2", "side": "rlhf", "pick": "top2", "width": 256,
    "seed": 2, "epoch": 1, "draw": 2, "scorer": "detection", "kind": "difference",
}  # fmt: skip
PAIR = {"model", "reward", "run"}
SITE = PAIR | {"side"}
PARTS = {  # script -> for each seed its purpose, and what it differs by, beside the project's seed
    "rlhf": [("rlhf", PAIR), ("prompts", {"model", "corpus", "run"})],  # prompts: the same for a reward and its twin
    "twins": [("twin", {"reward"})],
    "activations": [("check of promoted", set())],  # the same directions for all that is compared
    "completions": [("completions", set())],  # the same draws for all that is compared
    "saes": [("shards", SITE | {"pick", "epoch"}), ("sae", SITE | {"pick", "width", "seed"})],
    "sparsity": [("sparsity shards", SITE | {"pick", "epoch"}), ("sparsity", SITE | {"pick"})],
    "sweeps": [("sweep shards", SITE | {"pick", "epoch"}), ("sweep", SITE | {"pick", "width", "seed"})],
    "nulls": [("null rows", SITE | {"pick"}), ("null sae", SITE | {"pick", "width"}), ("null data", SITE | {"pick"})],
    "feature_activations": [("controls", SITE | {"pick", "seed"})],
    "comparison": [("random rows", SITE | {"pick", "seed"})],
    "controls": [("control rows", SITE | {"pick", "draw"})],
    "llm_explanations": [("order of requests", PAIR | {"pick"})],
    "findings": [("findings", PAIR), ("findings directions", PAIR | {"pick"})],
    "joint": [("joint shards", PAIR | {"pick", "epoch"}), ("joint sae", PAIR | {"pick", "kind"})],
    "crosscoder": [("crosscoder shards", PAIR | {"pick", "epoch"}), ("crosscoder", PAIR | {"pick", "kind"})],
    "causes": [("causes", PAIR)],
    "promotes": [("promotes", {"pick"}), ("promotes", {"side", "pick", "seed"})],  # the same windows for all that is compared
    "scores": [("simulation", {"scorer", "side", "pick", "seed"}), ("order of requests", PAIR | {"pick", "scorer"})],
    "table3": [("placebo tables", {"model", "reward"})],
    "section5_3": [("placebo tables", {"model", "reward"})],  # the same as Table 3's
    "table4": [("table4", set())],
    "section6_2": [("table4", set())],  # the same interval as in Table 4
}
SHARED = {"table4", "placebo tables"}


def site(job: dict, side: str) -> str:
    return f"{pair(job)}/{side}"


def pair(job: dict) -> str:
    return f"pairs/{job['model']}/{job['reward']}/{job['run']}"


def names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}


def derived(script: str, job: dict) -> list[tuple]:
    """What each `derive(...)` of a script is given in a job, in the order of the lines.

    Names are what the script's own lines make of `snakemake`; loop variables are the job's.
    """
    wildcards = {name: job[name] for name in ("reward", "pick", "scorer")} | {"width": str(job["width"])}
    wildcards |= {"site": site(job, job["side"]), "pair": pair(job)}
    sites = {side: site(job, side) for side in ("base", "rlhf")}
    params = {
        "seed": job["project"],
        "corpus": job["corpus"],
        "sites": sites,
        "recipe": None,
        "widths": None,
        "features": {"top_k": 1, "min_fires": 1},
    }
    snakemake = SimpleNamespace(wildcards=SimpleNamespace(**wildcards), params=SimpleNamespace(**params), input=None, output=None)
    known = {
        "snakemake": snakemake,
        "int": int,
        **{name: job[name] for name in ("model", "reward", "side", "pick", "width", "seed", "epoch", "draw", "kind")},
    }
    tree = ast.parse(FILES[script].read_text(encoding="utf-8"))
    for line in tree.body:
        if isinstance(line, ast.Assign) and names(line.value) <= set(known):
            with suppress(AttributeError, TypeError):  # it reads a file or a param that no seed needs
                exec(compile(ast.Module([line], []), script, "exec"), known)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "derive"]
    calls.sort(key=lambda call: call.lineno)
    return [tuple(eval(compile(ast.Expression(argument), script, "eval"), known) for argument in call.args) for call in calls]


def test_the_table_has_every_script_that_derives_a_seed():
    assert sorted(FILES) == sorted(PARTS)


@pytest.mark.parametrize("script", PARTS)
def test_a_seed_differs_by_what_the_table_says_and_by_nothing_else(script):
    given = derived(script, ONE)
    assert [purpose for _, purpose, *_ in given] == [purpose for purpose, _ in PARTS[script]]
    differs = [{part for part in ONE if derive(*derived(script, {**ONE, part: OTHER[part]})[i]) != derive(*given[i])} for i in range(len(given))]
    assert differs == [parts | {"project"} for _, parts in PARTS[script]]


def test_no_two_purposes_share_a_seed():
    seeds: dict[int, list] = {}
    for script in PARTS:
        for given in derived(script, ONE):
            seeds.setdefault(derive(*given), []).append((script, given[1]))
    assert len(seeds) > 15
    assert {purpose for uses in seeds.values() for _, purpose in uses if len(uses) > 1} == SHARED
