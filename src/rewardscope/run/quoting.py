"""An environment in a folder with a space: Snakemake puts the path of its Python into shell commands as it is, so that it became two words."""

import shlex

from snakemake.script import PythonScript
from snakemake_interface_executor_plugins.executors.real import RealExecutor


def quote_python() -> None:
    """Quote the path wherever a job is started: for a `script:`, and for the Snakemake that an executor starts for a job.

    Where it is quoted already, or this was called before, nothing changes.
    """
    run_script, run_job = PythonScript._execute_cmd, RealExecutor.format_job_exec

    def execute(script, command: str, **values):
        return run_script(script, command.replace("{py_exec}", "{py_exec:q}"), **values)

    def format_job(executor, job) -> str:
        python = executor.get_python_executable()
        return run_job(executor, job).replace(f"{python} -m snakemake", f"{shlex.quote(python)} -m snakemake")

    PythonScript._execute_cmd, RealExecutor.format_job_exec = execute, format_job
