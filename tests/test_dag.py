"""The graphs against counts made by hand."""
import shutil
from collections import Counter
from pathlib import Path

import pytest

from rewardscope import dag
from rewardscope.errors import UserError

ROOT = Path(__file__).parent.parent

SNAKEFILE = """
config.setdefault("results", "out")
SITES = ["pairs/small/r/run1/base", "pairs/small/r/run1/rlhf", "pairs/large/r/run1/base", "pairs/large/r/run1/rlhf"]
WIDTHS = {"small": (8, 16), "large": (32, 64)}

rule all:
    input: "table", "never_made_here"

rule table:
    input: [f"{site}/width{width}" for site in SITES for width in WIDTHS[site.split("/")[1]]], "model"
    output: "table"

rule sae:
    input: "{site}/shards"
    output: "{site}/width{width}"
    wildcard_constraints: width=r"\\d+"

rule shards:
    input: "model"
    output: "{site}/shards"

rule model:
    output: "model"
"""


@pytest.fixture
def small(tmp_path, monkeypatch):
    """1 all, 1 table, 8 saes of two models x two sides x two widths (each model its own), 4 shards, 1 model."""
    monkeypatch.chdir(tmp_path)
    Path("never_made_here").touch()
    Path("Snakefile").write_text(SNAKEFILE)
    return dag.plan(Path("Snakefile"), [])


def test_every_job_is_there_with_its_wildcards(small):
    jobs, edges, results = small
    assert results == "out"
    assert Counter(job.rule for job in jobs) == {"all": 1, "table": 1, "sae": 8, "shards": 4, "model": 1}
    assert len(edges) == 1 + 8 + 1 + 8 + 4  # all-table, table-saes, table-model, sae-shards, shards-model
    assert dag.Job("sae", (("model", "large"), ("reward", "r"), ("run", "1"), ("side", "base"), ("width", "64")), "Snakefile") in jobs


def test_the_folded_graph(small):
    graph = dag.folded(*small[:2])
    assert {name: label for name, (label, _) in graph.nodes.items()} == {
        "all": "all\n1 job",
        "table": "table\n1 job",
        "sae": "sae\n8 jobs\n= 2 models × 2 sides × 2 widths",
        "shards": "shards\n4 jobs\n= 2 models × 2 sides",
        "model": "model\n1 job",
    }
    assert graph.edges == {
        ("table", "all"): "1", ("sae", "table"): "8", ("model", "table"): "1", ("shards", "sae"): "8", ("model", "shards"): "4",
    }  # fmt: skip


def test_the_unfolded_graph_is_labelled_with_what_differs(small):
    jobs, edges, _ = small
    graph = dag.unfolded(jobs, edges)
    assert len(graph.nodes) == len(jobs) and len(graph.edges) == len(edges)
    labels = [label for label, _ in graph.nodes.values()]
    assert len(set(labels)) == len(jobs)
    assert "sae\nlarge base width 64" in labels and "table" in labels


def test_jobs_that_are_no_product_are_not_called_one():
    """Pinned layers: one base side for two rewards."""
    sites = ["bases/m", "pairs/m/a/run1/rlhf", "pairs/m/b/run1/rlhf"]
    jobs = [dag.Job("activations", dag.dimensions({"site": site}), "activations") for site in sites]
    assert dag.fan_out(jobs) == "3 jobs\nover 2 sides, 2 rewards"


def test_both_languages_say_the_same():
    graph = dag.Graph({"a": ("a\n2 jobs", "x"), "b": ("b", "y")}, {("a", "b"): "2"})
    assert '  a["a<br/>2 jobs"]:::x\n  b["b"]:::y\n  a -->|2| b\n' in dag.mermaid(graph)
    assert '"a" [label="a\\n2 jobs", fillcolor="#' in dag.dot(graph) and '"a" -> "b" [label="2"]' in dag.dot(graph)


def test_without_graphviz_mermaid_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    graph = dag.Graph({"a": ("a", "x")}, {})
    assert dag.draw(graph, tmp_path / "dag/jobs") == [tmp_path / "dag/jobs.mmd"]
    assert [file.name for file in (tmp_path / "dag").iterdir()] == ["jobs.mmd"]


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
def test_graphviz_draws_it(tmp_path):
    dag.draw(dag.Graph({"a": ("a\n2 jobs", "x"), "b": ("b", "y")}, {("a", "b"): "2"}), tmp_path / "jobs")
    assert "2 jobs" in (tmp_path / "jobs.svg").read_text()


def test_the_paper_s_grid(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs, edges, results = dag.plan(ROOT / "Snakefile", [ROOT / "config/paper.yaml"])
    graph = dag.folded(jobs, edges)
    assert results == "results/paper"
    assert graph.nodes["saes"][0] == "saes\n140 jobs\nover 4 models, 2 rewards, 2 sides, 5 picks, 5 widths"  # no product: 7 pairs
    assert graph.nodes["features"][0] == "features\n70 jobs\nover 4 models, 2 rewards, 2 sides, 5 picks"
    assert graph.edges["saes", "features"] == "140" and graph.edges["activations", "saes"] == "140"
    assert not (tmp_path / "results").exists()


def test_a_missing_overlay_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="nope.yaml"):
        dag.plan(ROOT / "Snakefile", [Path("nope.yaml")])


def test_the_command_says_where_the_pictures_are(small, capsys):
    dag.main([])
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "15 jobs of 5 rules" and "out/dag/rules.mmd" in said and "out/dag/jobs.mmd" in said
    assert "table --> all" in Path("out/dag/rules.mmd").read_text()
