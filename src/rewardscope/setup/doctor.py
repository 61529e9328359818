"""`python -m rewardscope doctor`: what this machine has, what the present config needs of it, and what to do where it lacks that.

Every check has a thread of its own and a time to answer in: neither a name server that is silent nor a broken library holds the others up.
torch is asked in a process of its own, which may die of it.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rewardscope.config import plan
from rewardscope.config.config import Config, tuned_checkpoint
from rewardscope.errors import UserError, brief
from rewardscope.run import budget
from rewardscope.run.lock import need_workdir
from rewardscope.setup.checks import read
from rewardscope.text import plain

OK, NOTE, MISSING = "ok", "note", "MISSING"
PATIENCE = 3.0  # seconds that a server or a program has
LOADING = 60.0  # and libraries, which may have to come from a slow disk
LITTLE = 2 * 2**30  # bytes of memory below which two jobs of the embedded run do not fit beside each other
TORCH = """
import json, torch
from rewardscope.numerics import precision_of
devices = ["cpu"] + ["cuda"] * torch.cuda.is_available()
gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count() if len(devices) > 1 else 0)]
print(json.dumps({
    "version": torch.__version__, "cuda": torch.version.cuda or torch.version.hip, "cpu": torch.backends.cpu.get_cpu_capability(),
    "bf16": {device: precision_of("auto", torch.device(device)) == torch.bfloat16 for device in devices},
    "gpus": [[gpu.name, gpu.total_memory] for gpu in gpus],
}))
"""


class Line(NamedTuple):
    """What was looked at, how it is (OK, NOTE: not needed by this config, MISSING), and in words, with what to do."""

    what: str
    state: str
    text: str


Check = Callable[[Config | None], list[Line]]


def doctor(overlays: list[str]) -> int:
    """Print a line for each check; 1 where something is missing that config.yaml with `overlays` needs, else 0."""
    try:
        need_workdir()
        config, of_config = read(overlays), Line("config", OK, " + ".join(["config.yaml", *overlays]))
    except UserError as error:
        config, of_config = None, Line("config", MISSING, f"{error}; what follows is looked at without it")
    lines = [of_config, *_asked(CHECKS, config)]
    for line in lines:
        print(f"{line.state:8}{line.what:12}{' '.join(plain(line.text).split())}")
    missing = [line.what for line in lines if line.state == MISSING]
    print(f"\nMissing for this config: {', '.join(missing)}." if missing else "\nNothing that this config needs is missing.")
    return int(bool(missing))


def _asked(checks: dict[str, tuple[Check, float]], config: Config | None) -> list[Line]:
    """The lines of every check, in order; one that fails or is late has a line that says so."""
    lines: dict[str, list[Line]] = {}

    def run(name: str, check: Check) -> None:
        try:
            lines[name] = check(config)
        except Exception as error:  # nothing that a check meets may end the others
            lines[name] = [Line(name, NOTE, f"cannot be looked at ({type(error).__name__}: {brief(error)})")]

    began, threads = time.monotonic(), []
    for name, (check, _) in checks.items():
        threads.append(threading.Thread(target=run, args=(name, check), daemon=True))  # a late one does not outlive the program
        threads[-1].start()
    for thread, (_, seconds) in zip(threads, checks.values(), strict=True):
        thread.join(max(0.0, began + seconds + 1 - time.monotonic()))
    return [line for name, (_, seconds) in checks.items() for line in lines.get(name, [Line(name, NOTE, f"no answer within {seconds:g} seconds")])]


def _output(*command: str, seconds: float = PATIENCE) -> str | None:
    """What a program prints; None where there is none of that name. Raises UserError where it fails or is late."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds, check=False)
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{command[0]} does not answer within {seconds:g} seconds") from error
    if run.returncode:
        last = (run.stderr.strip().splitlines() or [f"status {run.returncode}"])[-1]
        raise UserError(f"{Path(command[0]).name} fails ({brief(RuntimeError(last))})")
    return run.stdout


def _python(_config: Config | None) -> list[Line]:
    return [
        Line("Python", OK if sys.version_info >= (3, 11) else MISSING, f"{platform.python_version()} at {sys.executable} (3.11 or later is needed)")
    ]


def _torch(config: Config | None) -> list[Line]:
    """torch, the CPU as torch uses it, bfloat16, GPUs."""
    try:
        facts = json.loads(_output(sys.executable, "-c", TORCH, seconds=LOADING))
    except UserError as error:
        return [Line("torch", MISSING, f"cannot be loaded: {error}; install the pinned one: pip install -e .")]
    build = f"built for CUDA or ROCm {facts['cuda']}" if facts["cuda"] else "built for the CPU alone"
    cores = f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores"
    slow = facts["cpu"] in ("DEFAULT", "NO AVX")
    cpu = Line("CPU", NOTE, f"{cores}, without AVX2: several times as slow") if slow else Line("CPU", OK, f"{cores}, torch uses {facts['cpu']}")
    return [Line("torch", OK, f"{facts['version']}, {build}"), cpu, _bf16(config, facts["bf16"]), *_gpus(config, facts)]


def _bf16(config: Config | None, able: dict[str, bool]) -> Line:
    """Whether what will compute multiplies bfloat16 in hardware; asked for by name where it does not, it is slower than float32."""
    device = "cpu" if config and config.device == "cpu" else list(able)[-1]
    where = "GPU" if device == "cuda" else "CPU"
    if able[device]:
        return Line("bf16", OK, f"the {where} multiplies it in hardware: `precision: auto` uses it")
    asked = (
        {"activations": config.activations.precision, f"sae_recipes.{config.recipe}": config.sae_recipes[config.recipe].precision} if config else {}
    )
    keys = [f"{key}.precision" for key, precision in asked.items() if precision == "bfloat16"]
    if keys:
        return Line("bf16", NOTE, f"not in this {where}'s hardware, so that it is slow: set {' and '.join(keys)} to auto")
    return Line("bf16", OK, f"not in this {where}'s hardware: `precision: auto` computes in float32")


def _gpus(config: Config | None, facts: dict) -> list[Line]:
    """A line per GPU that torch sees; where there is none, whether one is needed or hidden."""
    if facts["gpus"]:
        return [Line("GPU", OK, f"{name}, {budget.gib(memory)}") for name, memory in facts["gpus"]]
    try:
        cards = (_output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") or "").split("\n")[0]
    except UserError:  # a driver without a card
        cards = ""
    state = MISSING if config and config.device == "cuda" else NOTE if cards else OK
    if cards and not facts["cuda"]:
        return [Line("GPU", state, f"{cards}, but this torch is built for the CPU: install torch's CUDA build (pytorch.org), the same version")]
    if cards:
        return [
            Line(
                "GPU", state, f"{cards}, but torch sees none: look at CUDA_VISIBLE_DEVICES, and whether the driver is as new as CUDA {facts['cuda']}"
            )
        ]
    return [Line("GPU", state, "none" + (", but the config has device: cuda; set it to cpu or auto" if state == MISSING else "; the CPU is used"))]


def _memory(_config: Config | None) -> list[Line]:
    free = budget.available_memory()
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    text = f"{budget.gib(free)} can be had, of {budget.gib(total)}"
    few = "; run one job at a time (--cores 1), or make room"
    return [Line("memory", NOTE, text + few) if free < LITTLE else Line("memory", OK, f"{text}; each job says what it lacks before it begins")]


def _disk(config: Config | None) -> list[Line]:
    """Room and leave to write at the results folder, or at the nearest folder above it that is there."""
    results = Path(config.results if config else "results")
    here = next(folder for folder in (results, *results.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(here).free
    text = f"{budget.gib(free)} free at {results}"
    if not os.access(here, os.W_OK | os.X_OK):
        return [Line("disk", MISSING, f"{here} cannot be written; change its owner or rights, or set results to another folder")]
    if config is None:
        return [Line("disk", OK, text)]
    total, largest = plan.room(config)
    needed, kept = (total, "kept") if config.activations.keep else (largest, "one side at a time")
    text += f"; activations take at most {budget.gib(needed)} ({kept})"
    there = sum(file.stat().st_size for file in results.glob("**/activations/*/part*/*.safetensors"))
    if needed - there > free * (1 - budget.SPARE) and not (results / "report.html").exists():  # with a report there is nothing left to make
        return [Line("disk", MISSING, f"{text}: make room, set activations.keep: false or dtype: bfloat16, or lower max_documents")]
    return [Line("disk", OK, text)]


def _of_hub(config: Config) -> dict[tuple[str, str, str | None], None]:
    """(model or dataset, id, revision) of all that the pairs take from the hub, each once."""
    repositories: list[tuple[str, str | None, str | None]] = []
    for pair in config.pairs:
        tuned, judge = tuned_checkpoint(pair.rlhf) if pair.rlhf else {}, config.true_reward(pair.reward).classifier
        entries = [config.models[pair.model], *([judge] if judge else [])]
        repositories += [("model", entry.hub, entry.revision) for entry in entries if not entry.path]
        repositories.append(("model", tuned.get("hub"), tuned.get("revision")))
        reward = config.rewards[pair.reward]
        if reward.preferred and reward.dpo.preferences.hub and not pair.rlhf:
            repositories.append(("dataset", reward.dpo.preferences.hub.name, reward.dpo.preferences.hub.revision))
        trained = [entry.corpus for entry in (config.models[pair.model].pretrain, judge and judge.train) if entry]
        for corpus in (config.corpora[name] for name in (pair.corpus, *trained)):
            repositories += [("dataset", corpus.hub.name, corpus.hub.revision)] if corpus.hub and not corpus.path else []
    return dict.fromkeys(entry for entry in repositories if entry[1])


def _cached(kind: str, name: str, revision: str | None) -> bool:
    """Whether the local hub cache holds a model's weights, or files of a data set."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, repo_type=kind, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return False
    return any(folder.glob("*.safetensors" if kind == "model" else "*"))


def _hub(config: Config | None) -> list[Line]:
    """Whether the hub answers, where something is still to be fetched from it: what the cache holds is read without it."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    needed = _of_hub(config) if config else {}
    lacking = [name for kind, name, revision in needed if not _cached(kind, name, revision)]
    state, use = (MISSING, f"{', '.join(lacking)} is not in the local cache") if lacking else (NOTE, "this config needs nothing more from it")
    if constants.HF_HUB_OFFLINE:
        return [Line("hub", state, f"offline mode (HF_HUB_OFFLINE); {use}" + ("; unset it, or name local copies" if lacking else ""))]
    try:
        status = get_session().get(constants.ENDPOINT, timeout=PATIENCE, follow_redirects=True).status_code
        problem = f"answers {status}" if status >= 400 else ""
    except Exception as error:  # of the network: they share no base
        problem = f"cannot be reached ({brief(error)})"
    if problem:
        return [
            Line("hub", state, f"{constants.ENDPOINT} {problem}; {use}" + ("; look at the network or proxy, or name local copies" if lacking else ""))
        ]
    return [Line("hub", OK, f"{constants.ENDPOINT} can be reached; " + (f"to be fetched: {', '.join(lacking)}" if lacking else use))]


def _chat(config: Config | None) -> list[Line]:
    """Whether the server of `llm:` answers and takes the key; asked only where explanations or their scores need it."""
    if config is None or config.explainer != "openai":
        return [Line("chat server", OK, "not asked: no explanation of this config needs one")]
    from rewardscope.explain import client

    try:
        models = client.models_of(dict(config.llm), PATIENCE)
    except UserError as error:
        return [Line("chat server", MISSING, str(error))]
    text = f"{config.llm.base_url} answers"
    if models and config.llm.model not in models:
        return [
            Line("chat server", NOTE, f"{text}, but does not list {config.llm.model}; llm.model may be one of {brief(ValueError(', '.join(models)))}")
        ]
    return [Line("chat server", OK, f"{text}, and {f'has {config.llm.model}' if models else 'lists no models'}")]


def _slurm(_config: Config | None) -> list[Line]:
    if not (shutil.which("sinfo") and shutil.which("sbatch")):
        return [Line("Slurm", NOTE, "not here (no sinfo and sbatch); only --profile profiles/slurm needs it")]
    try:
        names = sorted(set((_output("sinfo", "--noheader", "--format=%R") or "").split()))
    except UserError as error:
        return [Line("Slurm", NOTE, f"{error}; --profile profiles/slurm would not run")]
    return [Line("Slurm", OK, f"partitions {' '.join(names) or 'none'}; fit profiles/slurm/config.yaml to the site (docs/cluster.md)")]


def _programs(_config: Config | None) -> list[Line]:
    git = (_output("git", "--version") or "").strip()
    return [
        Line("graphviz", OK, "dot is here")
        if shutil.which("dot")
        else Line("graphviz", NOTE, "no dot: install Graphviz for SVG pictures by `make dag`"),
        Line("git", OK, git) if git else Line("git", NOTE, "not here: records of results will not say the commit of the code; install git"),
    ]


CHECKS: dict[str, tuple[Check, float]] = {  # name of a line in place of what a check does not say, and the seconds that it has
    "Python": (_python, PATIENCE),
    "torch": (_torch, LOADING),
    "memory": (_memory, PATIENCE),
    "disk": (_disk, PATIENCE),
    "hub": (_hub, PATIENCE),
    "chat server": (_chat, LOADING),
    "Slurm": (_slurm, PATIENCE),
    "git": (_programs, PATIENCE),
}
