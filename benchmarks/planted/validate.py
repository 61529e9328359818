"""The planted benchmark from the base models to the tables of docs/evidence: `make validate`, or `make validate-quick` for four kinds and four twins,
or `make validate-sealed` for the sealed kinds with today's dictionaries.

    python benchmarks/planted/validate.py validate --cores 2

After a kill the same command goes on. What it does, and what counts as what: docs/evidence-plan.md.
"""

import argparse
import subprocess
import sys
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import yaml
from evidence import evidence
from kinds import kinds
from plan import BESIDE, LAYER, RECIPE, ROOT
from read import Dictionaries, is_read, write
from snakemake.utils import update_config

from rewardscope.config.config import Config, load


def config_of(name: str) -> Config:
    """The default config under an overlay, as Snakemake merges them."""
    merged = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    update_config(merged, yaml.safe_load((ROOT / f"config/{name}.yaml").read_text(encoding="utf-8")))
    return load(merged)


def snakemake(config: str, cores: int, targets: list[str]) -> None:
    command = [sys.executable, "-m", "snakemake", *targets, "--snakefile", f"{ROOT}/Snakefile", "--cores", str(cores)]
    if subprocess.run([*command, "--configfile", f"{ROOT}/config/{config}.yaml"]).returncode:
        raise SystemExit(f"{config}: the run failed; the same command goes on from there")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=["validate", "validate-quick", "validate-sealed"])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--sets", nargs="+", help="of kinds: only these are run and counted (default: all of the config)")
    parser.add_argument("--out", type=Path, help="folder of the tables (default: evidence in the results folder)")
    arguments = parser.parse_args()
    bases = config_of(f"{arguments.name}-bases")
    snakemake(f"{arguments.name}-bases", arguments.cores, [f"{bases.results}/models/{pair.model}/model" for pair in bases.pairs])
    config, every = config_of(arguments.name), kinds()
    results, names = Path(config.results), [pair.reward for pair in config.pairs]
    planted = {name: every[name.removesuffix("-weak")][0] for name in names if name.removesuffix("-weak") in every}
    chosen = [name for name, of in planted.items() if of in (arguments.sets or ("chosen", "held", "sealed"))]
    twins = [f"pairs/tiny/{name}/run1" for name in names if name not in planted]
    read_beside = "sealed" in planted.values()
    dictionaries = Dictionaries(config.recipe, config.crosscoder, BESIDE if read_beside else ())
    runs = [f"pairs/tiny/{name}/run1" for name in chosen]
    read = [*(runs if read_beside else ()), *twins]
    targets = [f"{run}/findings.parquet" for run in runs] + [file for run in read for file in dictionaries.files(run)]
    if config.recipe == RECIPE:  # the paper's own reading
        targets += [f"{run}/rlhf/explanations/{RECIPE}/layer{LAYER}/tokens/seed1.sample1.jsonl" for run in runs]
    snakemake(arguments.name, arguments.cores, [f"{results}/{target}" for target in targets])
    of_kinds = {name: f"{ROOT}/benchmarks/planted/{planted[name]}.py:{name}" for name in chosen if not name.endswith("-weak")}
    settings = config.findings.model_dump()
    left = [pair for pair in read if not is_read(results, pair, of_kinds)]
    by = partial(write, results=results, dictionaries=dictionaries, settings=settings, seed=config.seed, kinds=of_kinds)
    with get_context("spawn").Pool(arguments.cores) as pool:
        for pair in pool.imap_unordered(by, left):
            print(f"read: {pair}", flush=True)
    print(evidence(results, arguments.out or results / "evidence", list(of_kinds), [Path(twin).parts[2] for twin in twins]))


if __name__ == "__main__":
    main()
