"""What the report says of the jobs behind it: their graph, times, versions and given files."""

from functools import cache

from rewardscope.report import charts
from rewardscope.run.lineage import Chain


def direct(reads: dict[str, set[str]]) -> dict[str, set[str]]:
    """Of what each rule reads only what it does not also reach through another (the transitive reduction)."""

    @cache
    def behind(rule: str) -> set[str]:
        return reads[rule].union(*(behind(other) for other in reads[rule]))

    return {rule: {other for other in sources if not any(other in behind(by) for by in sources)} for rule, sources in reads.items()}


def made(chain: Chain) -> dict:
    """What the jobs behind this report were."""
    rules: dict[str, list[dict]] = {}
    for job in chain.jobs:
        rules.setdefault(job["rule"], []).append(job)
    maker = {name: job["rule"] for job in chain.jobs for name in job["outputs"]}
    reads = {rule: {maker[name] for job in jobs for name in job["inputs"] if name in maker} - {rule} for rule, jobs in rules.items()}
    took = {rule: sum(job["seconds"] for job in jobs) for rule, jobs in rules.items()}
    notes = {rule: f"{len(jobs)} job{'s' * (len(jobs) > 1)}, {took[rule]:.0f} s" for rule, jobs in rules.items()}
    first = [job for jobs in rules.values() for job in jobs]
    return {
        "graph": charts.layered(direct(reads), notes) if reads else "",
        "gone": len(chain.gone),
        "rules": [
            {"rule": rule, "jobs": len(jobs), "seconds": f"{took[rule]:.1f}", "reads": ", ".join(sorted(reads[rule]))}
            for rule, jobs in reversed(rules.items())
        ],
        "commits": sorted({job["git"]["commit"][:10] + " with changes" * (not job["git"]["clean"]) for job in first if job["git"]}),
        "devices": sorted({job["device"] for job in first}),
        "libraries": sorted({f"{name} {version}" for job in first for name, version in job["libraries"].items()}),
        "started": min((job["started"] for job in first), default=""),
        "given": sorted(chain.given),
        "broken": chain.broken,
    }
