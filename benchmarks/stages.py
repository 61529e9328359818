"""Where the time of a finished run went, by rule: `python benchmarks/stages.py results`.

Sums over jobs of what their benchmark files say: wall-clock and processor seconds; jobs run side by side, so that the
sum of wall-clock seconds is more than the run took.
"""

import argparse
from pathlib import Path

import pandas as pd


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    folder = parser.parse_args().results / "benchmarks"
    files = sorted(folder.rglob("*.tsv"))
    if not files:
        raise SystemExit(f"{folder}: no benchmark file; is the run finished?")
    rules = [file.relative_to(folder).parts[0].removesuffix(".tsv") for file in files]
    jobs = pd.concat([pd.read_csv(file, sep="\t").assign(rule=rule) for file, rule in zip(files, rules, strict=True)])
    sums = jobs.groupby("rule").agg(jobs=("s", "size"), wall=("s", "sum"), processor=("cpu_time", "sum"), longest=("s", "max"))
    sums["share"] = sums["wall"] / sums["wall"].sum()
    print(sums.sort_values("wall", ascending=False).to_string(float_format=lambda value: f"{value:.2f}"))
    print(f"in all: {sums['wall'].sum():.0f} s of wall clock, {sums['processor'].sum():.0f} s of processor, {len(jobs)} jobs")


if __name__ == "__main__":
    main()
