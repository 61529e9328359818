"""What a run of a toy workflow says, on a terminal and in a file."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

SNAKEFILE = """
rule all:
    input: "r/two", "r/bad" if config.get("bad") else []

rule two:
    input: "r/one"
    output: "r/two"
    log: "r/logs/two.log"
    benchmark: "r/benchmarks/two.tsv"
    params: naps=3
    script: "job.py"

rule one:
    output: "r/one"
    log: "r/logs/one.log"
    benchmark: "r/benchmarks/one.tsv"
    params: naps=3
    script: "job.py"

rule bad:
    output: "r/bad"
    log: "r/logs/bad.log"
    benchmark: "r/benchmarks/bad.tsv"
    params: naps=0
    script: "job.py"
"""
SCRIPT = """
from rewardscope.run import job
job.start(snakemake)
import time
print("chatter")
for _ in job.progress(range(snakemake.params.naps), "naps"):
    time.sleep(1)
if snakemake.rule == "bad":
    raise ValueError("no such thing")
open(snakemake.output[0], "w").close()
"""
COMMAND = [sys.executable, "-m", "snakemake", "--logger", "rewardscope"]


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Path:
    """Two jobs, one after the other, that count to three; with `--config bad=1` another one that fails."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "job.py").write_text(SCRIPT)
    return folder


def test_a_log_file_gets_plain_lines(toy):
    """The first run knows no time; the second one knows those of the first."""
    first, second = (
        subprocess.run([*COMMAND, "--cores", "1", "--forceall"], cwd=toy, capture_output=True, text=True, timeout=300, check=True).stderr
        for _ in range(2)
    )
    for said in (first, second):
        assert "\x1b" not in said and "\r" not in said and "chatter" not in said
    assert "chatter\n" in (toy / "r/logs/one.log").read_text()
    clocked = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in first.splitlines()]
    assert [re.sub(r"\d+ s\b", "N s", line) for line in clocked[:5]] == [
        "3 steps: one, two, all",
        "one: started",
        "one: done in N s; 1 of 3 steps, time left unknown",
        "two: started",
        "two: done in N s; 2 of 3 steps",
    ]
    assert re.search(r"one: done in \d+ s; 1 of 3 steps, about \d+ s left", second)


def test_a_failure_is_said_once_with_its_log(toy):
    run = subprocess.run([*COMMAND, "--cores", "1", "--config", "bad=1"], cwd=toy, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode != 0
    assert run.stderr.count("rewardscope: bad: ValueError: no such thing (log: r/logs/bad.log)") == 1
    assert run.stderr.count("bad: failed (log: r/logs/bad.log)") == 1


def test_a_dry_run_is_snakemake_s_own(toy):
    run = subprocess.run([*COMMAND, "--forceall", "-n"], cwd=toy, capture_output=True, text=True, timeout=300, check=True)
    assert "rule two:" in run.stdout and "Job stats:" in run.stdout


def screen(text: str) -> list[str]:
    """What a terminal shows after `text`: line feeds, carriage returns, cursor up, erase below."""
    rows, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[(?:\d*A|J)|\x1b\[\d*m|\r|\n|[^\x1b\r\n]+", text):
        if part == "\n":
            row, column = row + 1, 0
            rows += [""] * (row + 1 - len(rows))
        elif part == "\r":
            column = 0
        elif part.endswith("A") and part.startswith("\x1b"):
            row -= int(part[2:-1])
        elif part == "\x1b[J":
            rows[row:] = [rows[row][:column]]
        elif not part.startswith("\x1b"):
            rows[row] = rows[row][:column].ljust(column) + part + rows[row][column + len(part) :]
            column += len(part)
    return [line.rstrip() for line in rows if line.strip()]


def test_a_terminal_keeps_what_was_said_and_clears_what_was_drawn(toy):
    """Two jobs at once, one fails: its own line is written across what is drawn, and survives."""
    for file in ("r/one", "r/two"):
        (toy / file).unlink(missing_ok=True)
    main, side = pty.openpty()
    command = [*COMMAND, "--cores", "2", "--keep-going", "--config", "bad=1"]
    size = {"COLUMNS": "100", "LINES": "24", "TERM": "xterm"}
    with subprocess.Popen(command, cwd=toy, stdout=side, stderr=side, env=os.environ | size):
        os.close(side)
        chunks = []
        while True:
            try:
                chunks.append(os.read(main, 4096))
            except OSError:  # the run has ended
                break
    os.close(main)
    text = b"".join(chunks).decode()
    assert re.search(r"one: \[#+\.*\] naps \d of 3, \d+ s", text) and re.search(r"of 4 steps, (more than|about) \d+ s left", text)
    rows = screen(text)
    assert any("rewardscope: bad: ValueError: no such thing (log: r/logs/bad.log)" in row for row in rows)
    assert sum("one: done in" in row for row in rows) == sum("two: done in" in row for row in rows) == 1
    assert not [row for row in rows if "naps" in row or "so far" in row]
