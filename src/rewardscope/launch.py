"""PPO in several processes, on one machine: `accelerate launch` starts this module in each of them.

They leave their states in the work folder, the last one included, from which `rlhf.train` in the job's own process takes the
tuned model without training. Errors come back through a file, as a process that fails is ended with all the others.
"""
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

from rewardscope import orphans
from rewardscope.errors import UserError

JOB, ACCELERATE, FAILED = "launch.json", "accelerate.json", "failed"


def needed(settings: dict) -> bool:
    """Whether RLHF with these settings needs a launcher: more than this process, or its precision, which accelerate takes from it."""
    return settings["processes"] > 1 or settings["precision"] != "float32"


def run(work: Path, threads: int, cuda: bool, **job: object) -> None:
    """Train to the end in `work`; `job` is what `main` reads. Raises UserError where one of the processes did.

    On the CPU the `threads` are shared out; with CUDA each process has a GPU of its own.
    """
    import torch

    settings = job["settings"]
    processes = settings["processes"]
    if cuda and torch.cuda.device_count() < processes:
        raise UserError(f"rlhf.processes is {processes}, but this job has {torch.cuda.device_count()} GPUs; each process takes one")
    (work / JOB).write_text(json.dumps(job))
    (work / FAILED).unlink(missing_ok=True)
    accelerate = {  # its own file, so that the user's default one does not count
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "MULTI_GPU" if processes > 1 else "NO",  # the name of its launcher of several processes, on the CPU too
        "mixed_precision": "bf16" if settings["precision"] == "bfloat16" else "no",
        "num_machines": 1,
        "num_processes": processes,
        "machine_rank": 0,
        "use_cpu": False,
    }
    (work / ACCELERATE).write_text(json.dumps(accelerate))
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(work / ACCELERATE), "--main_process_port", "0"]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(max(1, threads // processes)),
        "ACCELERATE_USE_CPU": str(not cuda).lower(),
        orphans.VARIABLE: str(os.getpid()),
    }
    sys.stdout.flush()
    status = subprocess.run([*command, "--module", "rewardscope.launch", str(work)], env=environment, stdout=sys.stdout, stderr=sys.stdout, check=False).returncode
    if (work / FAILED).exists():
        raise UserError((work / FAILED).read_text())
    if status:
        raise RuntimeError(f"a process of accelerate launch ended with status {status}; its error is above in the log")


def main(work: Path) -> None:
    """One of the processes."""
    import pandas as pd
    import torch
    from accelerate import PartialState

    from rewardscope import rewards, rlhf

    orphans.watch()
    job = json.loads((work / JOB).read_text())
    state = PartialState(cpu=os.environ["ACCELERATE_USE_CPU"] == "true")
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    logging.basicConfig(stream=sys.stdout, level=logging.INFO if state.is_main_process else logging.WARNING, format="%(asctime)s %(message)s", force=True)
    logging.getLogger("accelerate").setLevel(logging.ERROR)  # it warns at each gathered number
    texts = pd.read_parquet(job["train"], columns=["text"])["text"].tolist()
    try:
        reward = rewards.load(job["reward"], job["reward_folder"], state.device)
        rlhf.train(job["model"], texts, reward, job["settings"], job["seed"], work, state.device)
    except UserError as error:
        (work / FAILED).write_text(str(error))
        raise
    state.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
