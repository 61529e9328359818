"""How good the time left would have been for a run that was made in one go (`results/`), judged every 20 s by its own benchmark files.

python benchmarks/time_left.py [CORES]
"""

import math
import re
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path

import yaml

from snakemake_logger_plugin_rewardscope.times import benchmark, earlier_times, time_left

cores = int(sys.argv[1]) if len(sys.argv) > 1 else 2
results = yaml.safe_load(Path("config.yaml").read_text())["results"]
rules = subprocess.run([sys.executable, "-m", "snakemake", "--rulegraph", "dot", "--forceall"], capture_output=True, text=True, check=True).stdout
names = dict(re.findall(r'(\d+)\[label = "(\w+)', rules))
needs = defaultdict(set)
for needed, by in re.findall(r"(\d+) -> (\d+)", rules):
    needs[names[by]].add(names[needed])

jobs = []  # rule, start, end
for file in Path(results, "benchmarks").rglob("*.tsv"):
    name = file.relative_to(Path(results, "benchmarks"))
    if took := benchmark(file):
        log = Path(results, "logs", name).with_suffix(".log")
        end = datetime.fromisoformat(log.read_text().splitlines()[-1].split(",")[0]).timestamp()
        jobs.append((name.parts[0].removesuffix(".tsv"), end - took[0], end))

times = earlier_times(Path(results, "benchmarks/base_model.tsv"), "base_model")
seconds = {rule: sum(s for s, _ in took) / len(took) for rule, took in times.items()}
share = {rule: max(1, math.ceil(sum(load for _, load in took) / len(took) - 0.1)) / cores for rule, took in times.items()}
first, last = min(start for _, start, _ in jobs), max(end for *_, end in jobs)
print("at   left   estimate")
for at in range(0, int(last - first), 20):
    now = first + at
    waiting = Counter(rule for rule, start, _ in jobs if start > now)
    running = [(rule, max(0.0, seconds[rule] - (now - start))) for rule, start, end in jobs if start <= now < end]
    if estimate := time_left(waiting, running, seconds, share, needs):
        print(f"{at:<4} {last - now:<6.0f} {estimate[0]:.0f}")
