"""Records of jobs that Snakemake really ran, on a workflow of three rules."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rewardscope.errors import UserError
from rewardscope.run import provenance

SECRET = "sk-a-key-that-nobody-may-see"
SNAKEFILE = """
rule all:
    input: "out/tables/sum.txt"

rule numbers:
    input: "given.txt"
    output: folder=directory("out/numbers/{n}"), total="out/numbers/{n}.count", more="out/numbers/{n}.more"
    log: "out/logs/numbers/{n}.log"
    params: torch_threads=1, code="0123456789abcdef", seed=7, stop=lambda w: STOP
    script: "write.py"

rule sum:
    input: "out/numbers/3", "out/numbers/3.count"
    output: "out/tables/sum.txt"
    log: "out/logs/sum.log"
    params: torch_threads=1, code="fedcba9876543210", settings={"words": ["a", "b"]}
    script: "join.py"
"""
WRITE = """
from rewardscope.run import job
job.start(snakemake)
import sys
from pathlib import Path
from rewardscope.errors import UserError
if snakemake.params.stop == "error":
    raise UserError("stopped")
if snakemake.params.stop == "exit":
    sys.exit(3)
if snakemake.params.stop == "kill":
    import os
    os.kill(os.getpid(), 9)
Path(snakemake.output.folder).mkdir(exist_ok=True)
for i in range(int(snakemake.wildcards.n)):
    (Path(snakemake.output.folder) / f"{i}.txt").write_text(Path(snakemake.input[0]).read_text() * i)
Path(snakemake.output.total).write_text(snakemake.wildcards.n)
Path(snakemake.output.more).write_text("more")
job.log.info("made")
"""
JOIN = """
from rewardscope.run import job
job.start(snakemake)
import yaml
from pathlib import Path
Path(snakemake.output[0]).write_text("".join(p.read_text() for p in sorted(Path(snakemake.input[0]).glob("*.txt"))))
"""


def run(folder: Path, *arguments: str, stop: str = "") -> subprocess.CompletedProcess:
    (folder / "Snakefile").write_text(f"STOP = {stop!r}\n{SNAKEFILE}")
    environment = {**os.environ, "OPENAI_API_KEY": SECRET, "PYTHONPATH": str(provenance.PROJECT / "src")}
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The workflow's folder, everything made; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    for name, text in {"write.py": WRITE, "join.py": JOIN, "given.txt": "x"}.items():
        (folder / name).write_text(text)
    result = run(folder)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def copy(made, tmp_path) -> Path:
    """One that may be changed."""
    return shutil.copytree(made, tmp_path / "copy", symlinks=True)


def record(folder: Path, artifact: str) -> dict:
    return json.loads((folder / "out/provenance" / f"{artifact}.json").read_text())


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_what_a_record_holds(made):
    numbers = record(made, "numbers/3")
    assert numbers["rule"] == "numbers" and numbers["wildcards"] == {"n": "3"}
    assert numbers["params"] == {"torch_threads": 1, "code": "0123456789abcdef", "seed": 7, "stop": ""}
    assert numbers["seeds"] == {"seed": 7} and numbers["threads"] == 1
    assert numbers["python"] == sys.version.split()[0] and numbers["rewardscope"]
    assert 0 < numbers["seconds"] < 60 and 10 < numbers["peak_memory_mib"] < 1000 and numbers["device"]
    assert numbers["started"].endswith("+00:00")
    assert numbers["inputs"] == {"../given.txt": sha("x")}
    assert set(numbers["outputs"]) == {"numbers/3", "numbers/3.count", "numbers/3.more"}
    assert numbers["outputs"]["numbers/3.count"]["sha256"] == sha("3")
    assert record(made, "tables/sum.txt")["params"]["settings"] == {"words": ["a", "b"]}


def test_a_folder_is_its_listing(made):
    folder = record(made, "numbers/3")["outputs"]["numbers/3"]
    hashes = {f"{i}.txt": sha("x" * i) for i in range(3)}
    assert {name: file["sha256"] for name, file in folder["files"].items()} == hashes  # without Snakemake's time stamp
    assert (made / "out/numbers/3/.snakemake_timestamp").exists()
    assert folder["sha256"] == sha("".join(f"{digest}  {name}\n" for name, digest in hashes.items()))
    assert record(made, "tables/sum.txt")["inputs"] == {"numbers/3": folder["sha256"], "numbers/3.count": sha("3")}


def test_one_record_a_job_found_by_each_of_its_outputs(made):
    records = made / "out/provenance"
    files = [file for file in records.rglob("*.json") if not file.is_symlink()]
    assert len(files) == 2
    assert record(made, "numbers/3.count") == record(made, "numbers/3.more") == record(made, "numbers/3")
    assert not os.path.isabs(os.readlink(made / "out/provenance/numbers/3.more.json"))  # the folder can be moved


def test_libraries_are_those_that_the_job_imported(made):
    import yaml

    assert record(made, "tables/sum.txt")["libraries"]["yaml"] == yaml.__version__
    assert set(record(made, "numbers/3")["libraries"]) == {"snakemake"}  # its `script:` directive


def test_no_secret_of_the_environment_is_written(made):
    files = [file for file in made.rglob("*") if file.is_file()]
    assert any(file.suffix == ".log" for file in files)
    assert not [file for file in files if SECRET.encode() in file.read_bytes() or b"OPENAI" in file.read_bytes()]


@pytest.mark.parametrize("stop", ["error", "exit", "kill"])
def test_a_job_that_failed_has_no_record_not_even_its_former_one(copy, stop):
    failed = run(copy, "--forcerun", "numbers", "--rerun-triggers", "mtime", stop=stop)
    assert failed.returncode != 0
    assert not list((copy / "out/provenance/numbers").rglob("*.json"))
    assert record(copy, "tables/sum.txt")["rule"] == "sum"  # what is still there keeps its own


def test_a_rerun_replaces_the_record_and_nothing_is_stale(copy):
    before = record(copy, "numbers/3.more")
    (copy / "given.txt").write_text("y")
    assert run(copy).returncode == 0
    after = record(copy, "numbers/3.more")
    assert after["inputs"] == {"../given.txt": sha("y")} and before["inputs"] == {"../given.txt": sha("x")}
    shutil.rmtree(copy / "out/provenance")  # records are read by no rule
    assert "Nothing to be done" in run(copy, "--dry-run").stdout


def damage(file: Path) -> None:
    """Another last byte; size and date stay."""
    stat, content = file.stat(), file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_job_refuses_what_was_damaged_since_it_was_made(copy):
    damage(copy / "out/numbers/3/2.txt")
    (copy / "out/tables/sum.txt").unlink()
    failed = run(copy)
    line = "rewardscope: sum: out/numbers/3/2.txt: not what rule numbers has written (damaged or changed); delete out/numbers/3, and numbers makes it anew (log: "
    assert failed.returncode != 0 and line in failed.stderr and not (copy / "out/tables/sum.txt").exists()
    shutil.rmtree(copy / "out/numbers/3")  # as it was told
    assert run(copy).returncode == 0
    assert (copy / "out/tables/sum.txt").read_text() == "xxx"


def test_no_artifact_of_a_run_may_be_damaged_unseen(finished, tmp_path):
    """Every input of every job that a job has made, of every kind: SAEs and their metrics, moments, tokens, features, layers, nulls, corpora..."""
    results = shutil.copytree(finished / "results", tmp_path / "results", symlinks=True)
    records = [json.loads(file.read_text()) for file in (results / "provenance").rglob("*.json") if not file.is_symlink()]
    inputs = {name for record in records for name in record["inputs"]}
    assert len(inputs) > 40 and inputs == inputs & {name for record in records for name in record["outputs"]}
    for name in sorted(inputs):
        path = results / name
        file = next(f for f in sorted(path.rglob("*")) if f.is_file() and f.name != ".snakemake_timestamp") if path.is_dir() else path
        assert provenance._inputs([str(path)], results)
        damage(file)
        with pytest.raises(UserError) as error:
            provenance._inputs([str(path)], results)
        assert str(error.value).startswith(f"{file}: not what rule ") and "\n" not in str(error.value)


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UserError, match=rf"^{tmp_path}/gone: cannot be read \(No such file or directory\)$"):
        provenance._inputs([str(tmp_path / "gone")], tmp_path)


def test_paths_are_relative_to_the_results_folder():
    inside, outside = provenance.name_in("out/tables/a.csv", Path("out")), provenance.name_in("words.csv", Path("out"))
    assert (inside, outside) == ("tables/a.csv", "../words.csv")
    assert provenance.name_in("/data/words.csv", Path("out")) == "/data/words.csv"
    assert provenance.name_in("/data/out/tables/a.csv", Path("/data/out")) == "tables/a.csv"
    assert provenance.name_in("tables/a.csv", Path("")) == "tables/a.csv"


@pytest.fixture
def checkout(tmp_path):
    """A git repository with one commit of a Snakefile and of a file that is no code."""
    if not shutil.which("git"):
        pytest.skip("no git")
    (tmp_path / "Snakefile").write_text("")
    (tmp_path / "notes.md").write_text("")
    (tmp_path / "src").mkdir()

    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    git("init", "-q")
    return tmp_path, git


def test_git(checkout):
    folder, git = checkout
    ask = lambda: provenance._answer(provenance._ask_git(folder))
    assert ask() is None  # no commit yet
    git("add", ".")
    git("commit", "-qm", "one")
    commit = git("rev-parse", "HEAD").strip()
    assert ask() == {"commit": commit, "clean": True}
    (folder / "notes.md").write_text("changed")
    assert ask() == {"commit": commit, "clean": True}  # nothing that runs
    (folder / "src/new.py").write_text("")
    assert ask() == {"commit": commit, "clean": False}
    (folder / "src/new.py").unlink()
    (folder / "Snakefile").write_text("# changed")
    assert ask() == {"commit": commit, "clean": False}
    git("commit", "-qam", "two")
    assert ask() == {"commit": git("rev-parse", "HEAD").strip(), "clean": True} != {"commit": commit, "clean": True}


def test_no_git(tmp_path, monkeypatch, checkout):
    folder, _ = checkout
    (folder / "lib").mkdir()
    assert provenance._answer(provenance._ask_git(folder / "lib")) is None  # installed inside of another project
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert provenance._answer(provenance._ask_git(folder)) is None
    monkeypatch.undo()
    shutil.rmtree(folder / ".git")
    assert provenance._answer(provenance._ask_git(folder)) is None


def test_the_gpu_is_named_only_where_the_job_used_it(monkeypatch):
    class Cuda:
        used = False
        is_initialized = staticmethod(lambda: Cuda.used)
        get_device_name = staticmethod(lambda: "a GPU")

    monkeypatch.setitem(sys.modules, "torch", type("torch", (), {"cuda": Cuda}))
    assert provenance._device() != "a GPU"
    Cuda.used = True
    assert provenance._device() == "a GPU"


@pytest.mark.parametrize("text", ["[]", "7", "{}", '{"outputs": []}', "{"])
def test_a_record_of_another_form_is_none(tmp_path, text):
    (tmp_path / "record.json").write_text(text)
    assert provenance.load(tmp_path / "record.json") is None
    (tmp_path / "record.json").write_text('{"outputs": {}}')
    assert provenance.load(tmp_path / "record.json") == {"outputs": {}}
