"""The rules and the jobs of an experiment as pictures: `python -m rewardscope dag [OVERLAY...]`, `make dag`.

A graph of more than UNFOLDED jobs is folded: a node a rule, with the number of its jobs and what they fan out over.
"""
import contextlib
import io
import math
import shutil
import subprocess
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

from rewardscope.errors import UserError
from rewardscope.files import whole

UNFOLDED = 80
COLOURS = (  # of the rules files, in turn
    "#cfe2f3", "#d9ead3", "#fff2cc", "#f4cccc", "#d9d2e9", "#d0e0e3", "#fce5cd", "#ead1dc", "#e2efda", "#dde3ec",
    "#fde2e4", "#e6e6c8", "#cdeae5", "#e8dccb",
)  # fmt: skip


class Job(NamedTuple):
    """A job of the DAG."""

    rule: str
    wildcards: tuple[tuple[str, str], ...]
    """(name, value), a pair or site taken apart by `dimensions`."""
    stage: str
    """Name of the rules file."""


class Graph(NamedTuple):
    """What is drawn."""

    nodes: dict[str, tuple[str, str]]
    """id -> label (lines joined by newlines), stage."""
    edges: dict[tuple[str, str], str]
    """(from, to) -> label, "" for none."""


def dimensions(wildcards: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Wildcards of a job in the order of the path, a `pair` or `site` as model, reward, run and side."""
    out = {}
    for name, value in wildcards.items():
        parts = value.split("/")
        if name in ("pair", "site") and parts[0] == "pairs":
            out |= dict(zip(("model", "reward", "run", "side"), [*parts[1:3], parts[3].removeprefix("run"), *parts[4:]]))
        elif name == "site":
            out |= {"model": parts[1], "side": "base"}
        else:
            out[name] = value
    return tuple(out.items())


def plan(snakefile: Path, overlays: list[Path]) -> tuple[list[Job], list[tuple[Job, Job]], str]:
    """Every job of the default targets, (needed, by) pairs of jobs, and the results folder; nothing is run or written.

    Raises UserError where Snakemake finds no such plan.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import WorkflowError
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

    def job(node) -> Job:
        return Job(node.rule.name, dimensions(dict(node.wildcards.items())), Path(str(node.rule.snakefile)).stem)

    try:
        with SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, enable_file_logging=False)) as api:
            experiment = api.workflow(ResourceSettings(cores=1), ConfigSettings(configfiles=overlays), snakefile=snakefile)
            with contextlib.redirect_stdout(io.StringIO()):  # the public call that builds the DAG also prints it
                experiment.dag(DAGSettings(forceall=True)).printd3dag()
            workflow = experiment._workflow  # the printed graph leaves out the wildcards that a job shares with what it needs
            needs = workflow.dag.dependencies
            jobs = sorted(map(job, needs))
            return jobs, sorted((job(needed), job(by)) for by in needs for needed in needs[by]), workflow.config["results"]
    except (WorkflowError, OSError) as error:
        raise UserError(str(error)) from error


def fan_out(jobs: list[Job]) -> str:
    """What the jobs of one rule differ in: `80 jobs = 4 models x 2 sides x ...`, or `5 jobs over ...` where that is no product."""
    names = list(dict.fromkeys(name for job in jobs for name, _ in job.wildcards))
    rows = [tuple(dict(job.wildcards).get(name) for name in names) for job in jobs]
    count = f"{len(jobs)} job{'s' * (len(jobs) > 1)}"
    factors, total = [], []
    for i, name in enumerate(names):
        values = defaultdict(set)  # of this name, under each choice of the names before it: each model has its own widths
        for row in rows:
            values[row[:i]].add(row[i])
        sizes = {len(v) for v in values.values()}
        factors.append((max(sizes) if len(sizes) == 1 else 0, name))
        total.append((len({row[i] for row in rows} - {None}), name))
    regular = math.prod(size for size, _ in factors) == len(jobs)
    said = [f"{size} {plural(name)}" for size, name in (factors if regular else total) if size > 1]
    if not said:
        return count
    return f"{count}\n{'= ' if regular else 'over '}{(' × ' if regular else ', ').join(said)}"


def plural(name: str) -> str:
    return {"corpus": "corpora"}.get(name, f"{name}s")


def rule_graph(jobs: list[Job], edges: list[tuple[Job, Job]]) -> Graph:
    """A node a rule, an edge where a job of one needs a job of the other."""
    return Graph({job.rule: (job.rule, job.stage) for job in jobs}, {(a.rule, b.rule): "" for a, b in edges})


def folded(jobs: list[Job], edges: list[tuple[Job, Job]]) -> Graph:
    """The rule graph with the number of jobs at its nodes and of dependencies between jobs at its edges."""
    of_rule = defaultdict(list)
    for job in jobs:
        of_rule[job.rule].append(job)
    counts = Counter((a.rule, b.rule) for a, b in edges)
    nodes = {rule: (f"{rule}\n{fan_out(members)}", members[0].stage) for rule, members in of_rule.items()}
    return Graph(nodes, {edge: str(n) for edge, n in counts.items()})


def unfolded(jobs: list[Job], edges: list[tuple[Job, Job]]) -> Graph:
    """A node a job, labelled with those of its wildcards that are not the same in the whole graph."""
    ids = {job: f"job{i}" for i, job in enumerate(jobs)}
    values = defaultdict(set)
    for name, value in (pair for job in jobs for pair in job.wildcards):
        values[name].add(value)

    def label(job: Job) -> str:
        own = [f"{name} {value}" if value.isdigit() else value for name, value in job.wildcards if len(values[name]) > 1]
        return "\n".join(filter(None, [job.rule, " ".join(own)]))

    return Graph({ids[job]: (label(job), job.stage) for job in jobs}, {(ids[a], ids[b]): "" for a, b in edges})


def colours(graph: Graph) -> dict[str, str]:
    """A colour for each stage."""
    stages = sorted({stage for _, stage in graph.nodes.values()})
    return {stage: COLOURS[i % len(COLOURS)] for i, stage in enumerate(stages)}


def dot(graph: Graph) -> str:
    """The graph in Graphviz' language."""
    colour = colours(graph)
    lines = [
        "digraph {",
        '  node [shape=box, style="rounded,filled", color="#666666", fontname="Helvetica", fontsize=11, margin="0.12,0.06"]',
        '  edge [color="#888888", fontname="Helvetica", fontsize=9, fontcolor="#555555", arrowsize=0.6]',
    ]
    for name, (label, stage) in graph.nodes.items():
        escaped = label.replace("\n", "\\n")
        lines.append(f'  "{name}" [label="{escaped}", fillcolor="{colour[stage]}"]')
    lines += [f'  "{a}" -> "{b}" [label="{label}"]' for (a, b), label in graph.edges.items()]
    return "\n".join([*lines, "}", ""])


def mermaid(graph: Graph) -> str:
    """The graph in Mermaid's language, which GitHub and GitLab draw."""
    lines = ["flowchart TB"]
    lines += [f'  {name}["{label.replace(chr(10), "<br/>")}"]:::{stage}' for name, (label, stage) in graph.nodes.items()]
    lines += [f"  {a} -->{f'|{label}|' if label else ''} {b}" for (a, b), label in graph.edges.items()]
    lines += [f"  classDef {stage} fill:{colour},stroke:#666666,color:#222222" for stage, colour in colours(graph).items()]
    return "\n".join([*lines, ""])


def draw(graph: Graph, stem: Path) -> list[Path]:
    """Write `stem`.mmd and, where Graphviz' `dot` is installed, `stem`.svg; return what was written."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    with whole(stem.with_suffix(".mmd")) as file:
        file.write_text(mermaid(graph))
    if not shutil.which("dot"):
        return [stem.with_suffix(".mmd")]
    with whole(stem.with_suffix(".svg")) as file:
        subprocess.run(["dot", "-Tsvg", "-o", file], input=dot(graph), text=True, check=True)
    return [stem.with_suffix(".svg"), stem.with_suffix(".mmd")]


def main(overlays: list[str]) -> None:
    """Draw both graphs of the experiment into the `dag` folder of its results, and say where they are."""
    jobs, edges, results = plan(Path("Snakefile"), [Path(overlay) for overlay in overlays])
    of_jobs = unfolded if len(jobs) <= UNFOLDED else folded
    folder = Path(results) / "dag"
    written = draw(rule_graph(jobs, edges), folder / "rules") + draw(of_jobs(jobs, edges), folder / "jobs")
    print(f"{len(jobs)} jobs of {len({job.rule for job in jobs})} rules", *written, sep="\n")
    if not shutil.which("dot"):
        print("rewardscope: install Graphviz (`dot`) for SVG pictures; .mmd files are drawn by GitHub or mermaid.live")
