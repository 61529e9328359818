# Rewardscope: `snakemake --cores 8 results/tables/table3.csv`
# Read in this order: config.yaml, then workflow/rules/ in the order they are included below.
import os
import re
import sys

from rewardscope import orphans, plan, prompts, run_lock
from rewardscope.code import digest
from rewardscope.config import check_files, load, tuned_checkpoint
from rewardscope.config_files import check_text
from rewardscope.errors import UserError
from rewardscope.files import sweep
from rewardscope.rewards import check_function, load_table


try:
    for file in (f"{workflow.basedir}/config.yaml", *workflow.configfiles):
        check_text(file)
except UserError as error:
    sys.exit(f"rewardscope: {error}")


configfile: f"{workflow.basedir}/config.yaml"


report: "workflow/report/workflow.rst"


try:
    CONFIG = load(config)
    check_files(CONFIG)
    for pair in CONFIG.pairs:  # a broken reward is named now, not after an hour of pretraining
        if CONFIG.rewards[pair.reward].words:
            load_table(CONFIG.rewards[pair.reward].words)
        if CONFIG.rewards[pair.reward].function:
            check_function(CONFIG.rewards[pair.reward].function)
    if CONFIG.explainer == "openai":
        for kind, file in prompts.files(dict(CONFIG.llm)).items():
            prompts.load(file, kind)
except UserError as error:
    sys.exit(f"rewardscope: {error}")


# `workflow.dryrun` is not yet known while the Snakefile is read.
if workflow.is_main_process and any(a.startswith("-n") or a in ("--dry-run", "--dryrun") for a in sys.argv):
    print(*plan.lines(CONFIG), sep="\n", file=sys.stderr)


# A rule's conda environment holds its libraries; the package itself is found here.
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [f"{workflow.basedir}/src", os.environ.get("PYTHONPATH")])))

orphans.announce()


def begin():
    """One run at a time in the results folder; on a cluster the run is the main process, not the job's."""
    if workflow.is_main_process:
        try:
            # The name of this run's jobs in Slurm; Snakemake tells it in its log and nowhere else.
            run_lock.hold(CONFIG.results, getattr(workflow.scheduler._executor, "run_uuid", ""))
        except UserError as error:
            sys.exit(f"rewardscope: {error}")
        if CONFIG.explainer == "openai" and not os.environ.get("OPENAI_API_KEY"):
            print(f"rewardscope: OPENAI_API_KEY is not set; only answers that are in {CONFIG.cache} can be had", file=sys.stderr)


def end():
    """Only now has Snakemake recorded what was finished, so that no kill can lose it."""
    if workflow.is_main_process:
        sweep(f"{CONFIG.results}/.work")
        run_lock.release()


onstart:
    begin()


onsuccess:
    end()


onerror:
    end()


include: "workflow/rules/common.smk"
include: "workflow/rules/corpus.smk"
include: "workflow/rules/base_model.smk"
include: "workflow/rules/classifier.smk"
include: "workflow/rules/rlhf.smk"
include: "workflow/rules/divergence.smk"
include: "workflow/rules/activations.smk"
include: "workflow/rules/saes.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/explanations.smk"
include: "workflow/rules/completions.smk"
include: "workflow/rules/comparison.smk"
include: "workflow/rules/probe.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/scores.smk"
include: "workflow/rules/sweeps.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        [TARGETS[name] for name in CONFIG.targets],


# Seconds each, without torch: on a cluster they run on the login node.
localrules:
    all,
    layers,
    table1,
    table2,
    table5,
    table6,
    table7,
    figure3,
    figure4,
