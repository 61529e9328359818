"""What a job costs beyond Snakemake: `job.start`, a log, a benchmark file, a provenance record and the profile.

    python benchmarks/overhead.py --jobs 20 --rounds 5

Runs the same trivial jobs twice a round, as Snakemake runs them itself and as the workflow's rules do, in alternating
order. Prints the wall time and the processor time of both, and their ratio; status 1 where wall time is above 1.5 times.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIMIT = 1.5
RULES = {
    "plain": """
rule one:
    input: "given.txt"
    output: "plain/made/{n}.txt"
    params: torch_threads=1
    script: "plain.py"
""",
    "ours": f"""
from rewardscope.run.code import digest

rule one:
    input: "given.txt"
    output: "ours/made/{{n}}.txt"
    log: "ours/logs/one/{{n}}.log"
    benchmark: "ours/benchmarks/one/{{n}}.tsv"
    params: code=digest("{ROOT}/workflow/scripts/saes.py"), torch_threads=1
    script: "ours.py"
""",
}
PROFILES = {"plain": "none", "ours": str(ROOT / "profiles/default")}


def prepare(folder: Path, jobs: int) -> None:
    """A Snakefile and a script of each kind."""
    (folder / "given.txt").write_text("given\n")
    for kind, rule in RULES.items():
        (folder / f"{kind}.smk").write_text(f'rule all:\n    input: [f"{kind}/made/{{n}}.txt" for n in range({jobs})]\n{rule}')
    (folder / "plain.py").write_text('open(snakemake.output[0], "w").close()\n')
    (folder / "ours.py").write_text('from rewardscope.run import job\n\njob.start(snakemake)\nopen(snakemake.output[0], "w").close()\n')


def run(folder: Path, kind: str) -> tuple[float, float]:
    """Seconds by the wall clock and of the processor for all jobs, made from nothing, one at a time."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", f"{kind}.smk", "--cores", "1", "--forceall", "--quiet", "all"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*command, "--workflow-profile", PROFILES[kind]], cwd=folder, env=environment, check=True, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    times: dict[str, list[tuple[float, float]]] = {kind: [] for kind in RULES}
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), arguments.jobs)
        for turn in range(arguments.rounds):
            for kind in sorted(RULES, reverse=bool(turn % 2)):
                times[kind].append(run(Path(folder), kind))
    medians = {kind: [statistics.median(values) for values in zip(*rounds, strict=True)] for kind, rounds in times.items()}
    for kind, (wall, processor) in medians.items():
        print(f"{kind:<6} {wall:6.2f} s wall, {processor:6.2f} s processor for {arguments.jobs} jobs (median of {arguments.rounds})")
    wall, processor = (ours / plain for ours, plain in zip(medians["ours"], medians["plain"], strict=True))
    print(f"ratio  {wall:.2f} wall, {processor:.2f} processor; at most {LIMIT} wall")
    return int(wall > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
