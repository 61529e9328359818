"""What tests/staleness.yaml and stale_modules.yaml say, and what Snakemake does: for samples in test_staleness.py and system/, for all in long/."""

import json
import re
import shutil
from pathlib import Path

import yaml
from config_keys import overlay
from workflow_runs import ROOT, SMALL, copied, first, planned

TABLE, DEFAULT = (yaml.safe_load((ROOT / file).read_text(encoding="utf-8")) for file in ("tests/staleness.yaml", "config.yaml"))
MODULES = yaml.safe_load((ROOT / "tests/stale_modules.yaml").read_text(encoding="utf-8"))  # held to the digests by tests/run/test_code.py


def merge(base: object, own: object) -> object:
    """What Snakemake does with an overlay: maps are merged, anything else is replaced."""
    if not (isinstance(base, dict) and isinstance(own, dict)):
        return own
    return {**base, **{key: merge(base.get(key), value) for key, value in own.items()}}


TEST_SIZE = merge(DEFAULT, yaml.safe_load(SMALL.read_text(encoding="utf-8")))


def entry(key: str) -> dict | None:
    """The line of a key; a reward's own PPO settings have those of `rlhf`."""
    return TABLE.get(key) or TABLE.get(key.replace("rewards.*.", "rlhf."))


def changed(key: str, to: object) -> dict:
    """The overlay that sets a key, and what it needs beside it."""
    return merge(entry(key).get("with", {}), overlay(key, to, DEFAULT["pairs"][0]))


def prepare(folder: Path) -> None:
    """The files that the table's values name."""
    (folder / "words.csv").write_text("word,utility\ngood,1\n")
    (folder / "documents.csv").write_text("text\ngood\n")
    (folder / "pairs.jsonl").write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n')
    (folder / "reward.py").write_text("def score(texts):\n    return [0.0] * len(texts)\n")
    (folder / "tuned").mkdir(exist_ok=True)
    for name, width in (("small", 32), ("large", 64)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "cfg.json").write_text(json.dumps({"d_in": 32, "d_sae": width}))
        (folder / name / "sae_weights.safetensors").touch()


def check(key: str, served, folder: Path, graph: dict[str, set[str]], at: Path) -> None:
    """Assert that a dry run in `folder` with the key changed plans what the table says; `at`: a file for the overlay."""
    line = entry(key)
    at.write_text(json.dumps(changed(key, line["to"])))  # JSON is YAML
    run = served(folder, "--dry-run", "--configfile", str(SMALL), str(at))
    assert (first(run), planned(run)) == (set(line["first"]), whole(line, graph))


def whole(line: dict, graph: dict[str, set[str]]) -> set[str]:
    """`first` and every rule after it, with `also`, without `but`."""
    return set(line["first"]).union(line.get("also", []), *(graph[rule] for rule in line["first"])) - set(line.get("but", []))


def after(served, folder: Path) -> dict[str, set[str]]:
    """Rule -> every rule that depends on it, directly or not, `all` left out."""
    run = served(folder, "--rulegraph", "dot", "--configfile", str(SMALL))
    assert run.returncode == 0, run.stderr
    names = dict(re.findall(r'(\d+)\[label = "(\w+)', run.stdout))
    edges = [(names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", run.stdout) if names[b] != "all"]
    found = {name: {b for a, b in edges if a == name} for name in names.values()}
    found["tuned"] = found["rlhf"]  # the one or the other
    found["llm_explanations"] = found["explanations"]
    found["classifier"] = {"rlhf", "completions", "probe"}  # the pair of SMALL has none
    found["spread"] = {"table4", "probe"}  # nor has it a function
    found["twins"] = {"rlhf", "completions"}  # nor is its reward one
    found["preferences"] = {"rlhf"}  # nor has it any
    found["sparsity"] = {"saes", "joint"}  # its L1 is given
    for _ in found:
        found = {name: rules.union(*(found[rule] for rule in rules)) for name, rules in found.items()}
    return found


def project_of(finished: Path, folder: Path) -> Path:
    """A copy of the project, whose modules can be changed, with a finished run."""
    for name in ("Snakefile", "config.yaml"):
        shutil.copy2(ROOT / name, folder)
    for name in ("src", "workflow", "envs"):
        shutil.copytree(ROOT / name, folder / name)
    copied(finished, folder)
    return folder


def stale(served, project: Path, module: str, text: str) -> tuple[set[str], set[str]]:
    """(first, all) stale rules once a text is added to a module of a copy of the project."""
    file = project / "src/rewardscope" / f"{module.replace('.', '/')}.py"
    before = file.read_text(encoding="utf-8")
    file.write_text(before + text, encoding="utf-8")
    try:
        run = served(project, "--dry-run", "--configfile", str(SMALL), snakefile=project / "Snakefile")
    finally:
        file.write_text(before, encoding="utf-8")
    return first(run), planned(run)


def check_module(module: str, served, project: Path, graph: dict[str, set[str]]) -> None:
    """Assert that a dry run with the module changed plans what the table says."""
    # the pair of SMALL has no tuned checkpoint, no preferences of the hub, no classifier, no function, no twin, no L0 to look for and no server
    rules = set(graph) - {"all", "tuned", "preferences", "classifier", "spread", "twins", "sparsity", "llm_explanations"}
    holders = rules if MODULES[module] == "all" else rules & set(MODULES[module])
    later = set().union(*(graph[rule] for rule in holders))
    begin, every = stale(served, project, module, "\nEXTRA = 1\n")
    assert every == holders | later
    assert holders - later <= begin <= holders  # of a rule after another one, some jobs may come first: the base side's completions
