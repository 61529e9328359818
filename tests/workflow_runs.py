"""Runs of the real workflow on the test-size config, for the tests in this folder and in system/."""

import html
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
SMALL = ROOT / "tests/small.yaml"
PAIR = "results/pairs/tiny/utility/run1"
SECRET = "sk-a-key-that-nobody-may-see"  # in the environment of every run; a test looks for it in what they wrote


def legible(page: str) -> str:
    """What a person reads of a report or a section of it: its text without scripts, styles and tags."""
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def environment_at(folder: Path) -> str:
    """The Python of an environment made in `folder` that has the libraries of this one."""
    venv.create(folder, symlinks=True)
    libraries = sysconfig.get_path("purelib", vars={"base": str(folder)})
    Path(libraries, "these.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    return str(folder / "bin/python")


def snakemake(folder: Path, *arguments: str, snakefile: Path = ROOT / "Snakefile", python: str = sys.executable) -> subprocess.CompletedProcess:
    """Run Snakemake in `folder` on the test-size config."""
    command = [python, "-m", "snakemake", "--snakefile", str(snakefile), "--cores", "2"]
    command += ["--configfile", str(SMALL), *arguments]
    environment = {**os.environ, "OPENAI_API_KEY": SECRET}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500, check=False)


def finish(folder: Path, python: str = sys.executable) -> None:
    """The whole default run, at test size."""
    run = snakemake(folder, python=python)
    assert run.returncode == 0, run.stderr
    (folder / "said.txt").write_text(run.stdout + run.stderr)


@contextmanager
def server():
    """Yields `run(folder, *arguments, snakefile=...)`: what `snakemake` above gives, from a fork of one process.

    Snakemake is imported once and not for every run, which makes a dry run three times as fast.
    """
    command = [sys.executable, str(ROOT / "tests/snakemake_server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def run(folder: Path, *arguments: str, snakefile: Path = ROOT / "Snakefile") -> subprocess.CompletedProcess:
            arguments = ["--snakefile", str(snakefile), "--cores", "2", *arguments]
            package = next((str(parent / "src") for parent in snakefile.parents if (parent / "src").is_dir()), str(ROOT / "src"))
            print(json.dumps({"folder": str(folder), "package": package, "arguments": arguments}), file=process.stdin, flush=True)
            return subprocess.CompletedProcess(arguments, **json.loads(process.stdout.readline()))

        yield run
        process.stdin.close()


def copied(finished: Path, folder: Path) -> None:
    """A finished run in another folder, as Snakemake knows it; its files are links, which no test may write into."""
    shutil.copytree(finished / "results", folder / "results", copy_function=os.link)
    shutil.copytree(finished / ".snakemake", folder / ".snakemake", ignore=shutil.ignore_patterns("locks", "log"))


def planned(run: subprocess.CompletedProcess) -> set[str]:
    """Rules that a dry run would execute."""
    return set(reasons(run))


def reasons(run: subprocess.CompletedProcess) -> dict[str, list[str]]:
    """Rules that a dry run would execute, and why each of their jobs would run."""
    assert run.returncode == 0, run.stderr
    found: dict[str, list[str]] = {}
    for line in (run.stdout + run.stderr).splitlines():
        if line.startswith(("rule ", "localrule ")):
            rule = line.split()[1].rstrip(":")
        elif line.startswith("    reason: ") and rule != "all":
            found.setdefault(rule, []).append(line.removeprefix("    reason: "))
    return found


def first(run: subprocess.CompletedProcess) -> set[str]:
    """The stale rules that come first: those with a job that would run whatever the jobs before it do."""
    return {rule for rule, why in reasons(run).items() if any("Input files updated by another job" not in reason for reason in why)}
