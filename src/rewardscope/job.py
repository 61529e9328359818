"""What every job does first: a log, a thread count, one clear line when it fails."""
import atexit
import logging
import os
import resource
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from rewardscope import orphans
from rewardscope.errors import UserError

T = TypeVar("T")
log = logging.getLogger("rewardscope")


def start(snakemake) -> None:
    """Log to the rule's log file, pin torch's threads to its `torch_threads`, end with Snakemake. Call before torch is imported.

    Progress and warnings go to the log, one plain line each; an error's traceback goes there too, and one line
    of it to the terminal.
    """
    orphans.watch()
    log_file = snakemake.log[0]
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(snakemake.params.torch_threads)
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # threads that spin longer while they wait starve the job beside them
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic cuBLAS
    Path(log_file).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=log_file, filemode="w", level=logging.INFO, format="%(asctime)s %(message)s", force=True
    )
    for chatty in ("accelerate", "httpx", "httpx2"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    atexit.register(_memory)
    sys.excepthook = lambda kind, error, trace: _fail(snakemake.rule, log_file, kind, error, trace)


def _memory() -> None:
    """The log's last line: the most memory that the job itself held (Snakemake's benchmark counts shared pages too)."""
    log.info("peak resident memory: %d MiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def _fail(label, log_file, kind, error, trace) -> None:
    log.error("%s", "".join(traceback.format_exception(kind, error, trace)))
    said = str(error).strip() if issubclass(kind, UserError) else f"{kind.__name__}: {error}"
    print(f"rewardscope: {label}: {' '.join(said.split())} (log: {log_file})", file=sys.stderr)


def progress(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield `items`: a bar on a terminal, a plain line for every tenth of the way in the log."""
    total = total if total is not None else len(items)
    tenth = max(1, total // 10)
    with bar(what, total) as shown:
        for done, item in enumerate(items, start=1):
            yield item
            shown.update()
            if done % tenth == 0 or done == total:
                log.info("%s: %d of %d", what, done, total)


def bar(what: str, total: int):
    """A progress bar on a terminal, nothing elsewhere; `update()` moves it one step."""
    from tqdm import tqdm

    return tqdm(desc=what, total=total, disable=not sys.stderr.isatty(), leave=False, dynamic_ncols=True)
