# What is done before the first job and after the last one.
import atexit
from pathlib import Path

from rewardscope import checksums
from rewardscope.text import plain
from rewardscope.run import adopt, budget
from rewardscope.run import lock as run_lock
from rewardscope.files import sweep

if workflow.is_main_process and workflow.output_settings.dryrun:  # it calls no `onstart`, and has these settings only once the rules are read
    atexit.register(lambda: say_profile())

UNKNOWN = adopt.watch(lambda: results_folder()) if workflow.is_main_process else set()


def begin():
    """One run at a time in the results folder; on a cluster the run is the main process, not the job's.

    What cannot end well is refused before the first job, and what Snakemake knows nothing of is not overwritten.
    """
    if not workflow.is_main_process:
        return
    try:
        budget.need_cuda(CONFIG.device, workflow.local_exec)
        run_lock.hold(results_folder(), *SLURM_RUN)
        checksums.forget(results_folder())  # what an earlier run has hashed
        adopt.check_dates(workflow)
        if workflow.touch:  # `python -m rewardscope adopt`
            status = adopt.adopt(workflow, Path(results_folder()))
            run_lock.release()
            sys.exit(status)
        if UNKNOWN:
            raise UserError(f"nothing was run: it would make {len(UNKNOWN)} such results again; adopt them first, or delete them")
    except UserError as error:
        run_lock.release()
        sys.exit(f"rewardscope: {error}")
    # With a limit of jobs a second each started one has all ready ones looked at once a second, by timers that outlive the run
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
    say_profile()
    for reward in dict.fromkeys(yardstick(pair.reward) for pair in CONFIG.pairs):
        if function := CONFIG.rewards[reward].function:
            sums = ", ".join(f"{file} {checksums.checksum(file)}" for file in function_files(reward))
            tell(f"reward {reward} runs the code of {function} (SHA-256: {plain(sums)})")
    if CONFIG.explainer == "openai" and not os.environ.get("OPENAI_API_KEY"):
        tell(f"OPENAI_API_KEY is not set; only answers that are in {CONFIG.cache} can be had")


def say_profile():
    if workflow.execution_settings and workflow.execution_settings.lock:
        tell(f"profiles/default was not read; with it: --workflow-profile {ROOT}/profiles/default")


def tell(line):
    """At once, line end and all: the logger's thread writes lines of its own."""
    sys.stderr.write(f"rewardscope: {line}\n")


def end(well):
    """Only of a run that ended well has Snakemake recorded all that was finished: what it has deleted goes on from its work."""
    if workflow.is_main_process:
        if well:
            sweep(f"{results_folder()}/.work")
        else:
            # with jobs still running it was interrupted
            failed = [] if workflow.scheduler.running else without.failed_pairs(workflow.scheduler.failed, ["/".join(pair) for pair in PAIRS])
            atexit.register(without.go_on, failed, workflow.dag_settings, sys.argv[1:])  # when this run has let go of everything
        run_lock.release()


def results_folder():
    """The config's `results`, below the prefix of a module: where the rules' outputs lie."""
    return os.path.dirname(rules.report.output.report)
