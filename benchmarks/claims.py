"""Makes the figures that README quotes, on two floating-point paths and with two seeds; fails where one of them speaks against a statement.

    python benchmarks/claims.py --seeds 1 2 --cores 2

FOLDER/PATH-seedS is a run of config/twins.yaml, the default experiment with twins (placebo rewards) of two kinds; after a kill the same
command goes on. The first path is what this CPU does by itself, the second the next lower one. Prints a row per statement, and what the
twins say of false alarms.
"""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from safetensors.numpy import load_file
from scipy.special import betaincinv


class Statement(NamedTuple):
    sentence: str
    table: str
    row: dict[str, str]  # columns and their values, which one row of the table has
    prefix: str  # of its columns `ci_low`, `ci_high` and `difference` (or the prefix alone, without its last `_`); or a column without an interval
    must: str  # what the interval must be: a key of `MUST`


MUST = {  # nothing is true of nan
    "above": lambda low, high: low > 0,
    "below": lambda low, high: high < 0,
    "not above": lambda low, high: low <= 0,
}
TRUE, WORDS, NOISE = ({"reward": reward} for reward in ("utility", "utility-placebo", "utility-noise"))
ALARMS = [
    Statement(f"a twin's features do not ({kind})", "table3", twin, "promotes_signed_net_", "not above")
    for kind, twin in (("words", WORDS), ("noise", NOISE))
]
FOUND = TRUE | {"change": "found", "kept_at": "chance", "layer": "total", "among": "top 30"}
FIRST = {"mode": "with the reward", "contexts": "features", "rank": "1"}
STATEMENTS = [  # what README quotes
    Statement("the reward of completions rises", "table4", TRUE, "reward_", "above"),
    Statement("more than that of a twin's completions", "table4", TRUE, "reward_over_twin_", "above"),
    Statement("also without their prompts", "table4", TRUE, "reward_alone_over_twin_", "above"),
    Statement("features promote no more of the reward's words than random rows do", "table3", TRUE, "promotes_signed_net_", "not above"),
    Statement("what features fire on rises no more than with a twin", "table3", TRUE, "over_twin_", "not above"),
    Statement("step 4 counts no more change than with a twin", "step4", FOUND, "over_twin_", "not above"),
    *ALARMS,
    Statement("the first finding is above its threshold", "findings", TRUE | FIRST, "shown", "above"),
    *(Statement(f"a twin's is not ({kind})", "findings", twin | FIRST, "shown", "not above") for kind, twin in (("words", WORDS), ("noise", NOISE))),
]
TABLES = ["table3", "table4", "section5.3", "step4", "findings"]  # those that statements may name
LOWER = {  # torch's capability of a CPU -> the variables of the next lower path
    "avx512": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "avx2": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
}


def environment(variables: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in LOWER["avx2"]} | variables


def capability(variables: dict[str, str]) -> str:
    command = [sys.executable, "-c", "import torch; print(torch.backends.cpu.get_cpu_capability())"]
    return subprocess.run(command, env=environment(variables), check=True, stdout=subprocess.PIPE, text=True).stdout.strip().lower()


def this_machine() -> dict:
    """`cpu`, `torch`, `paths`: each floating-point path, named as torch names it, and its variables."""
    first, info = capability({}), Path("/proc/cpuinfo")
    second = capability(LOWER.get(first, {}))
    if second == first:
        raise SystemExit(f"torch's capability on this CPU is {first}: there is no second floating-point path")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    name = next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.processor())
    return {"cpu": name, "torch": version("torch"), "paths": {first: {}, second: LOWER[first]}}


def run(results: Path, seed: int, variables: dict[str, str], cores: int) -> None:
    targets, root = [f"{results}/tables/{name}.csv" for name in TABLES], Path(__file__).parents[1]
    command = [sys.executable, "-m", "snakemake", *targets, "--snakefile", f"{root}/Snakefile", "--cores", str(cores)]
    command += ["--configfile", f"{root}/config/twins.yaml", "--config", f"seed={seed}", f"results={results}", "device=cpu"]
    if subprocess.run(command, env=environment(variables)).returncode:
        raise SystemExit(f"{results}: the run failed; the same command goes on from there")


def interval(results: Path, statement: Statement) -> tuple[float, float, float]:
    """The difference that a statement is about, and its interval; a column without one is its own."""
    file, prefix = results / f"tables/{statement.table}.csv", statement.prefix
    if not file.exists():
        raise SystemExit(f"{file} is not there")
    table = pd.read_csv(file)
    columns = [f"{prefix}difference" if f"{prefix}difference" in table else prefix.removesuffix("_"), f"{prefix}ci_low", f"{prefix}ci_high"]
    columns = 3 * [prefix] if prefix in table else columns
    if missing := {*columns, *statement.row} - {*table}:
        raise SystemExit(f"{file} has no column {' or '.join(sorted(missing))}")
    rows = table.loc[(table[[*statement.row]].astype(str) == pd.Series(statement.row)).all(axis=1), columns].astype(float)
    if len(rows) != 1:
        raise SystemExit(f"{file}: {len(rows)} rows are of {statement.row}, not one")
    return tuple(rows.iloc[0])


def share_equal(first: Path, second: Path) -> float:
    """Share of tensors that are equal in both files of weights."""
    a, b = load_file(first), load_file(second)
    return sum((a[name] == b[name]).all() for name in a) / len(a)


def at_most(alarms: int, of: int) -> float:
    """The rate of false alarms that `alarms` of so many trials leave possible, at 95 % (Clopper and Pearson, one side)."""
    return 1.0 if alarms == of else float(betaincinv(alarms + 1, of - alarms, 0.95))


def false_alarms(found: dict[tuple[str, int, str], tuple[float, float, float]]) -> str:
    """What the twins' intervals, by path, seed and twin, say of them. By row, over its runs: no table has the interval of one twin run."""
    heard = {place: MUST["above"](*ends) for place, (_, *ends) in found.items() if not math.isnan(ends[0])}
    seeds = {place[1:]: any(alarm for other, alarm in heard.items() if other[1:] == place[1:]) for place in heard}
    said = [
        f"in {sum(counted.values())} of {len(counted)} {what}, so their rate is at most {at_most(sum(counted.values()), len(counted)):.2f} (95 %)"
        for what, counted in (("rows, counted as if independent", heard), ("seeds and kinds, the paths of a seed taken together", seeds))
    ]
    return f"False alarms of the twins, by row of Table 3 (none has the interval of a single twin run): {'; '.join(said)}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("results/claims"))
    parser.add_argument("--read", action="store_true", help="run nothing: what an earlier round left")
    arguments = parser.parse_args()
    record = arguments.folder / "machine.json"  # whose figures these are
    if arguments.read and not record.exists():
        raise SystemExit(f"{record} is not there: a round without --read writes it")
    here = None if arguments.read else this_machine()
    machine = json.loads(record.read_text(encoding="utf-8")) if record.exists() else here
    places = {(path, seed): arguments.folder / f"{path}-seed{seed}" for path in machine["paths"] for seed in arguments.seeds}
    if not arguments.read:
        if machine != here:
            raise SystemExit(f"{arguments.folder} is of another machine ({machine['cpu']}, torch {machine['torch']}): name another --folder")
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(machine, indent=1) + "\n", encoding="utf-8")
        for (path, seed), results in places.items():
            run(results, seed, machine["paths"][path], arguments.cores)
    failed = []
    print(f"{machine['cpu']}, torch {machine['torch']}, capability {next(iter(machine['paths']))}\n")
    titles = ["statement", "interval", *(f"{path}, seed {seed}" for path, seed in places), "holds"]
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for statement in STATEMENTS:
        found = {f"{path}, seed {seed}": interval(results, statement) for (path, seed), results in places.items()}
        against = "; ".join(name for name, (_, *ends) in found.items() if not MUST[statement.must](*ends))
        cells = [("{:.3g} ({:.3g} to {:.3g})" if statement.prefix != "shown" else "{:.0f}").format(*numbers) for numbers in found.values()]
        print("|", " | ".join([statement.sentence, statement.must, *cells, f"not in {against}" if against else "yes"]), "|")
        failed += [f"does not hold: {statement.sentence} (in {against})"] if against else []
    print("\n" + false_alarms({(*place, alarm.sentence): interval(results, alarm) for place, results in places.items() for alarm in ALARMS}))
    for seed in arguments.seeds:
        weights = [places[path, seed] / "models/tiny/model/model.safetensors" for path in machine["paths"]]
        if arguments.read and not all(file.exists() for file in weights):
            print(f"Seed {seed}: the base models are not there, so it was not looked at whether the paths differ.")
        elif (equal := share_equal(*weights)) == 1:
            failed.append(f"seed {seed}: the base models of both paths are equal, so no second path was run")
        else:
            print(f"Seed {seed}: {1 - equal:.0%} of the base model's tensors differ between the paths.")
    if failed:
        raise SystemExit("\n".join(failed))


if __name__ == "__main__":
    main()
