"""What could run foreign code is nowhere in the package and the workflow; tests/models/test_checkpoints_refused.py has pickles and remote code."""

import ast
import re

import pytest
from workflow_runs import ROOT, SMALL

FILES = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("workflow/scripts/*.py")])
RULES = sorted([ROOT / "Snakefile", ROOT / "workflow/Snakefile", *ROOT.glob("workflow/rules/*.smk")])
UNPICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
LOADS = {"torch.load", "pd.read_pickle", "pandas.read_pickle", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "yaml.unsafe_load_all"}
RUNS = {"eval", "exec", "__import__", "os.system", "os.popen", "os.execv", "os.execvp", "subprocess.getoutput", "pty.spawn"}
ALLOWED = [("functions.py", "_function", "exec")]  # the user's own reward function, in a file that the config names


def finds(text: str) -> list[tuple[str, str]]:
    """(enclosing function, what) of everything in a source text that unpickles or runs a string, a shell or remote code."""
    found = []

    def walk(node: ast.AST, function: str) -> None:
        function = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        found.extend((function, what) for what in _in(node))
        for child in ast.iter_child_nodes(node):
            walk(child, function)

    walk(ast.parse(text), "")
    return found


def _in(node: ast.AST):
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        yield from (name for name in names if name.split(".")[0] in UNPICKLES)
        if isinstance(node, ast.ImportFrom):
            yield from (full for alias in node.names if (full := f"{node.module}.{alias.name}") in LOADS | RUNS)
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        if name in LOADS | RUNS:
            yield name
        if name == "yaml.load" and not any(
            "Safe" in ast.unparse(a) or ast.unparse(a) == "LOADER" for a in [*node.args[1:], *(k.value for k in node.keywords)]
        ):
            yield name
        for keyword in node.keywords:
            value = ast.unparse(keyword.value)
            if keyword.arg in ("shell", "trust_remote_code", "allow_pickle") and value != "False":
                yield f"{keyword.arg}={value}"
            if keyword.arg in ("use_safetensors", "weights_only") and value != "True":
                yield f"{keyword.arg}={value}"


def test_nothing_runs_foreign_code():
    assert len(FILES) > 120
    found = [(file.name, *what) for file in FILES for what in finds(file.read_text(encoding="utf-8"))]
    assert found == ALLOWED


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import pickle", "pickle"),
        ("from joblib import load", "joblib"),
        ("import torch\ntorch.load('x')", "torch.load"),
        ("from torch import load", "torch.load"),
        ("def f():\n    return eval('1')", "eval"),
        ("exec('1')", "exec"),
        ("import os\nos.system('x')", "os.system"),
        ("from os import system", "os.system"),
        ("import subprocess\nsubprocess.run('x', shell=True)", "shell=True"),
        ("AutoModel.from_pretrained('x', trust_remote_code=True)", "trust_remote_code=True"),
        ("AutoModel.from_pretrained('x', trust_remote_code=flag)", "trust_remote_code=flag"),
        ("AutoModel.from_pretrained('x', use_safetensors=False)", "use_safetensors=False"),
        ("np.load('x', allow_pickle=True)", "allow_pickle=True"),
        ("yaml.load(text, yaml.Loader)", "yaml.load"),
        ("yaml.load(text)", "yaml.load"),
    ],
)
def test_the_test_above_would_see_it(text, what):
    assert [found for _, found in finds(text)] == [what]
    assert finds("yaml.load(text, yaml.SafeLoader)\nmodel.eval()\nexecute(1)\nA.load(b, trust_remote_code=False)") == []


def test_checkpoints_are_loaded_as_safetensors_without_code_of_their_own():
    """Every `from_pretrained` says so itself: defaults change."""
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("from_pretrained"):
                said = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                where = f"{file.name}, line {node.lineno}"
                if ast.unparse(node.func) == "PeftModel.from_pretrained":  # has no such keys; `adapters.merge` refuses a folder without safetensors
                    continue
                assert said.get("trust_remote_code") == "False", where
                assert said.get("local_files_only") == "True", where
                assert "Model" not in ast.unparse(node.func) or said.get("use_safetensors") == "True", where


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.name)
def test_rules_run_scripts_and_no_shell(file):
    """A string of the config can reach no shell, as there is none."""
    text = re.sub(r"#.*", "", file.read_text(encoding="utf-8"))
    assert not re.search(r"^\s*(shell|run|wrapper|notebook|cwl|template_engine)\s*:", text, re.MULTILINE)
    assert not re.search(r"\b(shell|eval|exec|__import__)\(|os\.(system|popen)|subprocess|pickle", text)
    scripts = re.findall(r'script:\s+"([^"]+)"', text)
    assert all(re.fullmatch(r"\.\./scripts/\w+\.py", script) for script in scripts)
    assert len(scripts) == len(re.findall(r"^\s*script\s*:", text, re.MULTILINE))


@pytest.mark.workflow
@pytest.mark.parametrize("target", ["results/corpora/../train.parquet", "results/models/../perplexity.json", "results/../config.yaml"])
def test_no_name_in_a_path_leads_out_of_its_folder(target, served, tmp_path):
    """Names of the config are checked in test_mutations.py; a target on the command line is not one of them."""
    run = served(tmp_path, target, "--dry-run", "--configfile", str(SMALL))
    assert run.returncode != 0 and "MissingRuleException" in run.stdout + run.stderr
