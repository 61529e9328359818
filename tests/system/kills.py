"""kill -9 at random moments: `python tests/system/kills.py --kills 20 --seed 1`.

The test-size experiment runs once undisturbed. A trial then takes a copy of the finished folder, has Snakemake make
one rule's outputs anew (every rule has its turn; making everything anew 20 times would take hours), kills one of
its jobs or Snakemake itself at a random moment, runs again to the end and compares every table, weight, Parquet and
JSON file with the undisturbed run. Snakemake's jobs must be gone soon after it. A line a trial, then a summary;
exit status 1 where a file differs or a run fails.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
KINDS = (".csv", ".parquet", ".safetensors", ".jsonl", ".json")
APART = ("logs", "benchmarks", "provenance", ".work")
AFTER = 4.0  # seconds that a job may outlive its Snakemake; 2 where the machine has nothing else to do


def snakemake(folder: Path, *arguments: str) -> subprocess.Popen:
    """The test-size experiment in `folder`, what it says going to a file there."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
    command += ["--configfile", str(ROOT / "tests/small.yaml"), *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=open(folder / "said", "w"), stderr=subprocess.STDOUT)


def finish(folder: Path, *arguments: str) -> None:
    """Run to the end, or say what Snakemake said."""
    with snakemake(folder, *arguments) as run:
        run.wait()
    if run.returncode:
        raise SystemExit(f"snakemake failed in {folder}:\n{(folder / 'said').read_text()[-3000:]}")


def hashes(folder: Path) -> dict[str, str]:
    """Every file that must not differ, by content; half-written ones too, so that one left behind is a difference."""
    files = [f for f in (folder / "results").rglob("*") if f.is_file() and not set(APART) & set(f.relative_to(folder).parts)]
    return {
        str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in files if f.suffix in KINDS or ".partial" in str(f)
    }  # fmt: skip


def seconds(folder: Path) -> dict[str, float]:
    """Rule -> what its jobs took in all, from the benchmarks of the undisturbed run."""
    took: dict[str, float] = {}
    for file in (folder / "results/benchmarks").rglob("*.tsv"):
        rule = file.relative_to(folder / "results/benchmarks").parts[0].removesuffix(".tsv")
        took[rule] = took.get(rule, 0) + float(file.read_text().splitlines()[1].split("\t")[0])
    return took


def outputs(folder: Path) -> dict[str, list[str]]:
    """Rule -> its outputs, as Snakemake lists them."""
    finish(folder, "--summary", "--quiet")
    rows = [line.split("\t") for line in (folder / "said").read_text().splitlines() if line.startswith("results/")]
    return {rule: [row[0] for row in rows if row[2] == rule] for rule in {row[2] for row in rows}}


def jobs_of(run: subprocess.Popen) -> list[psutil.Process]:
    """The scripts that Snakemake has started."""
    try:
        return [
            p
            for p in psutil.Process(run.pid).children(recursive=True)
            if any(".snakemake/scripts" in word for word in p.cmdline()) and "bash" not in p.name()
        ]
    except psutil.NoSuchProcess:
        return []


def kill(run: subprocess.Popen, moment: float, victim: str) -> tuple[str, float] | None:
    """Kill at `moment` seconds after the first job began; who it was, and how long the last job lived on. None: too late."""
    while run.poll() is None and not jobs_of(run):
        time.sleep(0.02)
    time.sleep(moment)
    jobs = jobs_of(run)
    if run.poll() is not None:
        return None
    killed = random.choice(jobs).pid if victim == "job" and jobs else run.pid
    os.kill(killed, signal.SIGKILL)
    began = time.monotonic()
    if killed == run.pid:
        _, left = psutil.wait_procs(jobs, timeout=30)
        for job in left:
            job.kill()
    lived = time.monotonic() - began
    run.wait()
    return ("snakemake" if killed == run.pid else "job"), (lived if killed == run.pid else 0.0)


def trial(finished: Path, expected: dict[str, str], rule: str, made: list[str], took: float, folder: Path) -> tuple[str, list[str]] | None:
    """One kill: what happened, and what is wrong. None where everything was done before the kill."""
    shutil.copytree(finished, folder)
    moment, victim = random.uniform(0, took), random.choice(["job", "snakemake"])
    outcome = kill(snakemake(folder, "--forcerun", rule, "--", *made), moment, victim)
    if outcome is None:
        return None
    killed, lived = outcome
    finish(folder, "--", *made)
    found = hashes(folder)
    names = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    wrong = [f"{name} {'differs' if name in found and name in expected else 'is missing' if name in expected else 'is left'}" for name in names]
    if lived > AFTER:
        wrong.append(f"a job lived for {lived:.1f} s after Snakemake")
    gone = f"; jobs gone in {lived:.2f} s" if killed == "snakemake" else ""
    return f"{rule}: {killed} killed {moment:.1f} s after its first job began{gone}", wrong


def run(kills: int, seed: int, rules: list[str] | None = None, finished: Path | None = None) -> int:
    """Print a line a kill and a summary; returns how many went wrong."""
    random.seed(seed)
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        if finished is None:
            finished = Path(scratch) / "finished"
            finished.mkdir()
            finish(finished)
        expected, took, made = hashes(finished), seconds(finished), outputs(finished)
        print(f"{len(expected)} files of the undisturbed run", flush=True)
        rules = rules or sorted(took, key=lambda _: random.random())
        number = bad = 0
        while number < kills:
            rule, folder = rules[number % len(rules)], Path(scratch) / f"kill{number}"
            result = trial(finished, expected, rule, made[rule], took[rule], folder)
            shutil.rmtree(folder)
            if result is None:
                continue
            number += 1
            what, wrong = result
            bad += bool(wrong)
            print(f"{number:3d} {what}: {'as undisturbed' if not wrong else 'WRONG: ' + ', '.join(wrong[:3])}", flush=True)
    print(f"{kills} kills, {bad} wrong")
    return bad


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rules", nargs="*", help="only these (all, in random order)")
    parser.add_argument("--finished", type=Path, help="a folder with a finished test-size run of this code, which is then not made")
    given = parser.parse_args()
    sys.exit(1 if run(given.kills, given.seed, given.rules, given.finished) else 0)
