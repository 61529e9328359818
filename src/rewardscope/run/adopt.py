"""What Snakemake's plan goes by, dates and its own metadata, where it would mislead: copied or restored results, dates in the future.

Snakemake compares params only of outputs that `.snakemake` here has metadata of, and judges all others by their dates alone.
So results without metadata are never taken for fresh; `python -m rewardscope adopt` takes over those that are as recorded.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from snakemake.persistence import PersistenceBase

from rewardscope.checksums import checksum
from rewardscope.errors import UserError
from rewardscope.run.provenance import load, name_in, record_file

SKEW = 1  # seconds that the clock of a file server may be ahead of ours


def watch(results: Callable[[], str]) -> set[str]:
    """The outputs below `results()` that lie there without metadata: empty until Snakemake has made its plan.

    To Snakemake they become what a killed job leaves: incomplete, to be made again. Those of jobs that `adopt` refused already are.
    """
    unknown: set[str] = set()
    incomplete = PersistenceBase.incomplete

    async def and_unknown(self, job):
        left = await incomplete(self, job)
        below = [f for f in job.output if f not in left and f.startswith(f"{results()}/")]
        unrecorded = [f for f in below if self.metadata(f) is None and await f.exists()]
        if unrecorded and not unknown and not self.dag.workflow.touch:
            print(
                f"rewardscope: {unrecorded[0]}: Snakemake has no record here of how it was made (copied or restored?), so it is not taken for fresh, "
                "nor are others like it; `python -m rewardscope adopt` takes over what is as recorded",
                file=sys.stderr,
            )
        unknown.update(unrecorded)
        return left + unrecorded

    PersistenceBase.incomplete = and_unknown
    return unknown


def check_dates(workflow) -> None:
    """Refuse a run that would read a file dated in the future.

    Snakemake fails a job whose output is older than its input, once all is done, and deletes what it made.
    """
    jobs = list(workflow.dag.needrun_jobs())
    made = {f for job in jobs for f in job.output}
    for f in sorted({f for job in jobs for f in job.input} - made):
        if os.path.exists(f) and (date := workflow.async_run(f.mtime_uncached()).local()) > time.time() + SKEW:
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(date))
            raise UserError(f"{f}: dated in the future ({when}); put the clock right or `touch` the file, and run again")


def command(options: list[str]) -> int:
    """`python -m rewardscope adopt`: Snakemake with the user's options, which plans and then calls `adopt` (`begin` in run.smk)."""
    flags = ["--touch", "--forceall", "--rerun-incomplete", "--quiet", "all"]
    return subprocess.run([sys.executable, "-m", "snakemake", *options, *flags], check=False).returncode


def adopt(workflow, results: Path) -> int:
    """Take over the results of every job of the plan that are as recorded, and name those that are not; 1 where there are any.

    A job's outputs are dated now, after those of the jobs before it, and recorded as if it had run; a refused job runs again.
    """
    taken, refused = 0, 0
    hashed = cache(checksum)
    for job in (job for level in workflow.dag.toposorted() for job in sorted(level, key=lambda job: list(job.output))):
        if not any(map(os.path.exists, job.output)):
            continue
        if why := misfit(job, results, hashed):
            print(f"not adopted: {job.output[0]}: {why}")
            workflow.persistence.started(job)  # and never ended: incomplete
            refused += 1
        else:
            workflow.async_run(job.postprocess(False, False, False, ignore_missing_output=True, check_output_mtime=False))
            taken += 1
    print(f"{results}: results of {taken} jobs adopted" + (f"; {refused} refused, which the next run makes again" if refused else ""))
    return int(refused > 0)


def misfit(job, results: Path, hashed: Callable[[str], str]) -> str | None:
    """Why a job's outputs cannot be what it would make now; None where rule, params and the hashes of inputs and outputs are as recorded.

    `job` is Snakemake's. What is not on disk (freed activations) goes by the record of the job that made it.
    """

    @cache
    def record_of(name: str) -> dict:
        return load(record_file(results, name).resolve()) or {"outputs": {}}

    def sha(path: str) -> str | None:
        name = name_in(path, results)
        return hashed(path) if os.path.exists(path) else record_of(name)["outputs"].get(name, {}).get("sha256")

    record = record_of(name_in(job.output[0], results))
    if record.get("rule") != job.rule.name:
        return "no record of the job that made it"
    # Params that Snakemake does not compare either (functions of `threads`) are left out: they change no result.
    given = {name: value for name, value in job.params.items() if any(value is one for one in job.non_derived_params)}
    now, then = json.loads(json.dumps(given, default=str)), record["params"]
    seen = (now.keys() | then.keys()) - (job.params.keys() - given.keys())
    if changed := sorted(name for name in seen if name not in now or name not in then or now[name] != then[name]):
        return f"made with other params ({', '.join(changed)})"
    for kind, files in (("input", job.input), ("output", job.output)):
        before, after = record[f"{kind}s"], {name_in(file, results): file for file in files}
        if before.keys() != after.keys():
            return f"made with other {kind}s ({', '.join(sorted(before.keys() ^ after.keys())[:3])})"
        for name, file in after.items():
            if sha(file) != (before[name] if kind == "input" else before[name]["sha256"]):
                return f"{'changed since it was made' if kind == 'output' else 'made from another'} ({file})"
    return None
