# The workflow is workflow/Snakefile; this file lets Snakemake find profiles/default from anywhere (docs/auditing.md).
include: "workflow/Snakefile"


workflow.default_target = "all"  # Snakemake ignores `default_target` of an included file (its issue 2773)
