"""Answers each line of its input, {"folder", "package", "arguments"}, by a line {"returncode", "stdout", "stderr"}.

Each is `snakemake ARGUMENTS` in a fork of this process, which has imported Snakemake and nothing of the package.
"""

import json
import os
import sys
import tempfile

from snakemake.cli import main


def answer(folder: str, package: str, arguments: list[str]) -> dict:
    """The return code and output of Snakemake in a fork, with the package found in `package`."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        if (child := os.fork()) == 0:
            os.chdir(folder)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.argv = ["snakemake", *arguments]  # what a lock file says of the run
            sys.path[0] = package
            code = 1
            try:
                main(arguments)
            except SystemExit as stop:
                if isinstance(stop.code, str):
                    print(stop.code, file=sys.stderr)
                code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        return {
            "returncode": os.waitstatus_to_exitcode(status),
            **{name: (file.seek(0), file.read())[1] for name, file in (("stdout", out), ("stderr", err))},
        }


for line in sys.stdin:
    print(json.dumps(answer(**json.loads(line))), flush=True)
