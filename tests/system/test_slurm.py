"""`profiles/slurm` on a real Slurm of one node: to Table 3, errors, memory, Ctrl-C, and what kill -9 leaves."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "tests/slurm/cluster"
SNAKEMAKE = [sys.executable, "-m", "snakemake"]
REAL = ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(ROOT / "tests/small.yaml")]
# What this cluster, or a test's patience, differs in: no accounting, a folder that is not on a network, a poll every two seconds.
SLURM = ["--profile", str(ROOT / "profiles/slurm"), "--slurm-status-command", "squeue"]
SLURM += ["--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5"]
TABLE = "results/tables/table3.csv"
PACKAGES = "apt-get install --no-install-recommends slurm-wlm munge"
pytestmark = pytest.mark.workflow

TOY = (
    """
rule fails:
    output: "never"
    log: "logs/fails.log"
    params: torch_threads=1
    script: "fails.py"

rule greedy:
    output: "greedy"
    shell: "{sys.executable} -c 'import time; x = b\\"x\\" * (700 << 20); time.sleep(8)' && echo {{resources.mem_mb}} > {{output}}"

rule sleeps:
    output: "slept"
    shell: "sleep 600"
""".replace("{sys.executable}", sys.executable)
    .replace("{{", "{")
    .replace("}}", "}")
)
FAILS = """
from rewardscope.run import job
job.start(snakemake)
raise ValueError("no such thing")
"""


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory):
    missing = [command for command in ("slurmctld", "slurmd", "munged", "sbatch") if not shutil.which(command)]
    if missing:
        pytest.skip(f"no {missing[0]} here ({PACKAGES})")
    if os.getuid() != 0 or Path("/etc/slurm/slurm.conf").exists():
        pytest.skip("a test cluster wants root and a machine that belongs to no other cluster")
    environment = {**os.environ, "SLURM_TEST_DIR": str(tmp_path_factory.mktemp("slurm"))}
    subprocess.run([CLUSTER, "start"], env=environment, check=True, stdin=subprocess.DEVNULL)
    yield
    subprocess.run([CLUSTER, "stop"], env=environment, check=True)


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    """Snakemake in `folder`; what it says goes to `folder/said`."""
    with open(folder / "said", "w") as said:
        return subprocess.Popen([*SNAKEMAKE, *arguments], cwd=folder, stdout=said, stderr=subprocess.STDOUT, preexec_fn=_hears_ctrl_c)


def _hears_ctrl_c() -> None:
    """Tests that run in the background hand down a Ctrl-C that is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def started(folder: Path, *arguments: str):
    """Snakemake at work, killed in the end if it still is."""
    process = start(folder, *arguments)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and what was said."""
    status = start(folder, *arguments).wait(timeout=900)
    return status, (folder / "said").read_text()


def jobs(folder: Path, states: str = "all") -> list[tuple[str, str, str]]:
    """(state, memory, rule) of each job that a run has submitted to Slurm, members of arrays one by one."""
    names = re.findall(r"SLURM run ID: (\S+)", (folder / "said").read_text())
    if not names:
        return []
    ask = ["squeue", "--noheader", "--array", f"--states={states}", f"--name={names[0]}", "--sort=i", "--format=%T|%m|%k"]
    lines = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.splitlines()
    return [(state, memory, comment.split("_wildcards")[0].removeprefix("rule_")) for state, memory, comment in (line.split("|") for line in lines)]


def wait_for(what, seconds: float = 120):
    """What `what()` gives once it is true."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "not in time"
        time.sleep(0.2)
    return found


@pytest.fixture
def toy(tmp_path):
    (tmp_path / "Snakefile").write_text(TOY)
    (tmp_path / "fails.py").write_text(FAILS)
    return tmp_path


def test_to_table_3(tmp_path):
    """Every rule that is not local goes through sbatch, and the table has the bytes of a run without a cluster."""
    here, there = tmp_path / "local", tmp_path / "slurm"
    here.mkdir()
    there.mkdir()
    status, said = run(here, *REAL, "--profile", str(ROOT / "profiles/local"), TABLE)
    assert status == 0, said
    status, said = run(there, *REAL, *SLURM, TABLE)
    assert status == 0, said
    assert (here / TABLE).read_bytes() == (there / TABLE).read_bytes()
    submitted = jobs(there)
    assert {state for state, _, _ in submitted} == {"COMPLETED"}
    rules = [
        "corpus",
        "base_model",
        "vocabulary",
        "rlhf",
        "completions",
        "divergence",
        "controls",
        *["activations"] * 2,
        *["saes"] * 4,
        *["features"] * 2,
    ]
    assert sorted(rule for _, _, rule in submitted) == sorted([*rules, *["feature_activations"] * 2, "explanations", "table3"])
    assert len(re.findall(r"Submitted array job", said)) == 2  # the SAEs of either side
    assert not (there / "results/.work/lock").read_text()  # ended in order


def test_a_failing_job_says_its_own_error(toy):
    status, said = run(toy, *SLURM, "--logger", "rewardscope", "--retries", "0", "never")
    assert status != 0
    assert said.count("rewardscope: fails: ValueError: no such thing (log: logs/fails.log)") == 1


def test_a_job_out_of_memory_is_submitted_again_with_more(toy):
    """700 MiB beside the Snakemakes of the job: too much for 600 MB, not for the double."""
    status, said = run(toy, *SLURM, "--logger", "rewardscope", "--default-resources", "mem_mb=600 * attempt", "--", "greedy")
    assert status == 0, said
    first, second = jobs(toy)
    assert first[0] != "COMPLETED" and (first[1], second[0], second[1]) == ("600M", "COMPLETED", "1200M")
    assert (toy / "greedy").read_text() == "1200\n"
    assert re.search(r"^slurmstepd\S*: error: .*exceeded memory limit", said, re.MULTILINE)


def test_ctrl_c_cancels(toy):
    with started(toy, *SLURM, "slept") as snakemake:
        wait_for(lambda: [job for job in jobs(toy) if job[0] == "RUNNING"])
        snakemake.send_signal(signal.SIGINT)
        wait_for(lambda: not jobs(toy, "pending,running"), 20)
        assert snakemake.wait(timeout=60) != 0


def recover(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "rewardscope", "recover", *arguments], cwd=folder, capture_output=True, text=True, input="", check=False
    )


def test_recovery_after_kill_9(tmp_path):
    """What is left in Slurm stops the next run, is cancelled by one command, and then the run goes on."""
    target = "results/corpora/reviews/train.parquet"
    long = tmp_path / "long.yaml"  # the job must still be there when the next run begins
    long.write_text("corpora: {reviews: {generate: {train: 60000}}}\n")
    real = [*REAL, str(long), *SLURM, target]
    with started(tmp_path, *real) as snakemake:
        wait_for(lambda: jobs(tmp_path))
        assert "is at work here" in recover(tmp_path).stderr
        snakemake.kill()  # and nothing else: its jobs live on
    left = tmp_path / "left"
    left.mkdir()
    shutil.copy(tmp_path / "said", left)
    status, said = run(tmp_path, *real)
    assert status != 0 and "results: a killed run has left 1 jobs in Slurm; python -m rewardscope recover results" in said
    assert "nobody to ask" in recover(tmp_path).stderr and jobs(left, "pending,running")
    done = recover(tmp_path, "--yes")
    assert done.returncode == 0, done.stderr
    assert "rule_corpus_wildcards_reviews" in done.stdout and "1 jobs cancelled" in done.stdout
    assert done.stdout.splitlines()[-1].strip().startswith(f"snakemake --snakefile {ROOT}/Snakefile") and target in done.stdout
    assert not jobs(left, "pending,running,completing")
    status, said = run(tmp_path, *real)
    assert status == 0, said
    assert "no run has been left behind" in recover(tmp_path).stdout
