"""What it costs to compare what jobs read with what was made, beside the jobs: `python benchmarks/hashing.py RESULTS`, a finished results folder.

Every input of every recorded job is compared as when the job starts, hashed once. Status 1 above 2 % of the jobs' seconds.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from rewardscope import checksums
from rewardscope.run import provenance

LIMIT = 0.02


def main(results: Path) -> int:
    records = [json.loads(file.read_text()) for file in (results / "provenance").rglob("*.json") if not file.is_symlink()]
    inputs = [str(path) for record in records for name in record["inputs"] if (path := results / name).exists()]
    with tempfile.TemporaryDirectory() as notes:
        checksums.remember(notes)
        began = time.process_time()
        for path in inputs:
            provenance._inputs([path], results)
        took = time.process_time() - began
    jobs = sum(record["seconds"] for record in records)
    print(f"{len(records)} jobs, {jobs:.0f} s; {len(inputs)} inputs compared in {took:.1f} s of processor time: {took / jobs:.2%}")
    return took > LIMIT * jobs


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
