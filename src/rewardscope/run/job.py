"""What every job does first: a log, a thread count, one clear line when it fails, a record when it does not."""

import atexit
import gc
import io
import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from rewardscope import numerics
from rewardscope.errors import UserError
from rewardscope.run import budget, orphans, provenance
from rewardscope.run.without import ENDED
from rewardscope.text import plain

T = TypeVar("T")
log = logging.getLogger("rewardscope")


class _Log(io.TextIOWrapper):
    """A log: whoever reads it in a terminal sees what data or a server say, and nothing that they do to it."""

    def write(self, text: str) -> int:
        return super().write(plain(text, keep="\n\t"))


def start(snakemake) -> None:
    """Log to the rule's log file, pin torch's threads to its `torch_threads` (1 without), end with Snakemake.

    Call before torch is imported.

    Progress, warnings and what libraries print go to the log, in plain lines; an error's traceback goes there too,
    and one line of it to the terminal.
    """
    orphans.watch()
    gc.set_threshold(50_000)  # importing torch and transformers makes objects that stay, which the collector would look through again and again
    log_file = snakemake.log[0]
    numerics.settle(snakemake.params.get("torch_threads", 1))
    Path(log_file).parent.mkdir(parents=True, exist_ok=True)
    sys.stdout = _Log(open(log_file, "wb"), encoding="utf-8", line_buffering=True)  # TRL prints
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    for chatty in ("accelerate", "httpx", "httpx2"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = lambda kind, error, trace: _fail(snakemake.rule, log_file, kind, error, trace)
    atexit.register(_memory)
    atexit.register(provenance.finish, provenance.begin(snakemake))


def warn(snakemake, text: str) -> None:
    """One line to the log and to the terminal; the job goes on."""
    log.warning("%s", text)
    print(f"rewardscope: {snakemake.rule}: {plain(text)}", file=sys.stderr)


def _memory() -> None:
    """The log's last line: the most memory that the job itself held."""
    log.info("peak resident memory: %d MiB", provenance.peak_memory())


def work(snakemake, of: str | None = None) -> Path:
    """The job's work folder, `<results>/.work/` and the path of its log; of another job where `of` says its `<rule>/<wildcards>`."""
    results = provenance.results(snakemake)
    return results / ".work" / (of or Path(snakemake.log[0]).relative_to(results / "logs").with_suffix(""))


def _fail(label, log_file, kind, error, trace) -> None:
    atexit.unregister(provenance.finish)
    log.error("%s", "".join(traceback.format_exception(kind, error, trace)))
    if issubclass(kind, Exception):  # and no interrupt
        log.error("%s%s", ENDED, kind.__name__)
    problem = str(error).strip() if issubclass(kind, UserError) else budget.out_of_memory(label, error) or f"{kind.__name__}: {error}"
    print(f"rewardscope: {label}: {' '.join(plain(problem).split())} (log: {log_file})", file=sys.stderr)


def progress(items: Iterable[T], what: str, total: int | None = None, more: Callable[[T], str] = lambda _: "") -> Iterator[T]:
    """Yield `items` and log how many are done and what `more` says of the last one, at most a line a second; the terminal shows the last."""
    total = total if total is not None else len(items)
    logged = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        if done == total or time.monotonic() - logged >= 1:
            log.info("%s: %d of %d%s", what, done, total, more(item))
            logged = time.monotonic()
