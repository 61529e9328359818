"""`python -m rewardscope`: what a machine lacks, a config for a pair, tables and features in the terminal, origins, help after a crash."""

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rewardscope.columns import columns
from rewardscope.errors import UserError, brief
from rewardscope.text import plain

if TYPE_CHECKING:  # its import takes half a second, which most commands are spared
    import pandas as pd

FINDINGS = "results/tables/findings.csv"


def read(file: str) -> "pd.DataFrame":
    """A CSV table, or what JSON holds as one: a row of each map in its list, of each line, or of the map that it is, inner keys with dots."""
    import json

    import pandas as pd

    where, rows = file, []
    try:
        if not file.endswith((".json", ".jsonl")):
            return pd.read_csv(file)
        text = Path(file).read_text(encoding="utf-8")
        if file.endswith(".json"):
            held = json.loads(text)
            return pd.json_normalize(held if isinstance(held, list) else [held])
        for number, line in enumerate(text.split("\n"), start=1):  # a text in it may hold the other characters that end a line
            where = f"{file}, line {number}"
            rows += [json.loads(line)] if line.strip() else []
        where = file
        return pd.json_normalize(rows)
    except (OSError, ValueError, TypeError, NotImplementedError, AttributeError, RecursionError) as error:
        raise UserError(f"{where}: cannot be read as a table ({brief(error)})") from error


def show(file: str, width: int | None = None) -> None:
    """Print the rows of a table, turned so that the columns fit; where a terminal's `width` is less, one row below the other, cells folded."""

    def cell(value: object) -> str:
        missing = value is None or value != value
        return "-" if missing else f"{value:.4g}" if isinstance(value, float) else plain(str(value))

    table = read(file)
    rows = [[plain(name), *map(cell, table[name])] for name in table]
    print("\n".join([plain(file), *columns(rows, width), ""]))


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        """One line, as every other mistake."""
        raise UserError(f"{message} (see {self.prog} --help)")


def parser() -> Parser:
    """The command line."""
    top = Parser(prog="python -m rewardscope", description="Prepares runs of the workflow, and looks at what it has made.")
    commands = top.add_subparsers(dest="command", required=True)
    command = commands.add_parser("doctor", help="a line on each thing that this machine has, and what to do; status 1 where the config needs more")
    command.add_argument("--configfile", nargs="+", default=[], metavar="FILE", help="overlays, as for snakemake")
    command = commands.add_parser("init", help="write a commented config for a pair of checkpoints (docs/your-own-pair.md)")
    command.add_argument("--base", metavar="MODEL", help="folder or hub id (id@revision); of an adapter by default the one that it names")
    command.add_argument("--tuned", required=True, metavar="MODEL", help="the same of its tuned variant, or of an adapter")
    command.add_argument("--reward", help="vader, a .csv of words and utilities, or file.py:function; none: two checkpoints alone")
    command.add_argument("--corpus", nargs="+", metavar="FILE", help="documents: one file, or one to train on and one to read, or a hub id")
    command.add_argument("--text", metavar="COLUMN", help="their column of texts (default: text, or the only one that holds texts)")
    command.add_argument("--to", default="config/mine.yaml", metavar="FILE", help="default: %(default)s")
    command.add_argument("--force", action="store_true", help="write over a file that is there")
    command = commands.add_parser(
        "show", help="print CSV tables and JSON (lines too), one field a line; features: show feature ADDRESS...; findings: show findings [TABLE]"
    )
    command.add_argument("what", nargs="+", metavar="FILE", help="tables; `feature` and addresses as the report has them; `findings` and their table")
    command.add_argument("--report", default="results/report.html", help="the report that features are read from")
    command = commands.add_parser("lineage", help="print what an artifact was made from, and whether that still holds; status 1 where not")
    command.add_argument("path", help="a result: a file, a folder, a file in a folder")
    command.add_argument("--row", help="of a CSV table: its number, from 1, or MODEL/REWARD")
    command.add_argument("--json", action="store_true", help="the records themselves")
    command.add_argument("--quick", action="store_true", help="trust a file in a folder whose size and date are those of its record")
    command = commands.add_parser("compare", help="two or more results folders side by side: settings that differ, headline figures of each pair")
    command.add_argument("folders", nargs="+", metavar="RESULTS", help="results folders")
    command = commands.add_parser("page", help="write a run's tables and figures beside the paper's values, in Markdown")
    command.add_argument("folders", nargs="+", metavar="RESULTS", help="results folders; each section is from the first that holds it")
    command.add_argument("--remarks", default="docs/remarks.yaml", help="what to say under each section (default: %(default)s)")
    command.add_argument("--to", default="docs/results.md", metavar="FILE", help="default: %(default)s")
    command = commands.add_parser("recover", help="after a crash on a cluster: cancel the run's Slurm jobs, free its results folder, say what to run")
    command.add_argument("folder", nargs="?", default="results", metavar="RESULTS", help="results folder (default: %(default)s)")
    command.add_argument("--yes", action="store_true", help="ask nothing")
    commands.add_parser("adopt", help="take over copied or restored results that are as recorded; takes Snakemake's options", add_help=False)
    commands.add_parser("reference", help="write config/README.md, workflow/schemas/config.schema.yaml and docs/columns.md, in the project's folder")
    return top


def main(arguments: list[str]) -> int:
    """Run one command; the exit status."""
    if arguments[:1] == ["adopt"]:  # what follows are options of Snakemake's
        from rewardscope.run import adopt

        return adopt.command(arguments[1:])
    asked = parser().parse_args(arguments)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if asked.command == "show":
        if asked.what[0] == "feature":
            from rewardscope.report.report import features

            print(features(asked.what[1:], asked.report))
            return 0
        if asked.what[0] == "findings":
            from rewardscope.findings.findings_table import told

            print("\n".join(line for file in asked.what[1:] or [FINDINGS] for line in told(file)))
            return 0
        for file in asked.what:
            show(file, width)
        return 0
    if asked.command == "compare":
        from rewardscope.report.compare import compare

        print(plain(compare(asked.folders, width), keep="\n"))
        return 0
    if asked.command == "page":
        from rewardscope.report import page

        page.write(asked.folders, asked.remarks, asked.to)
        return 0
    if asked.command == "reference":
        from rewardscope.config import reference

        reference.write(Path.cwd())
        return 0
    if asked.command == "doctor":
        from rewardscope.setup.doctor import doctor

        return doctor(asked.configfile)
    if asked.command == "init":
        from rewardscope.setup.init import init

        print(init(asked.base, asked.tuned, asked.reward, asked.corpus or [], asked.text, Path(asked.to), asked.force))
        return 0
    if asked.command == "recover":
        from rewardscope.run.recover import recover

        return recover(asked.folder, asked.yes)
    from rewardscope.run.lineage import lineage

    text, whole = lineage(asked.path, asked.row, asked.quick, asked.json)
    print(plain(text, keep="\n"))
    return 0 if whole else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        sys.exit(f"rewardscope: {error}")
    except BrokenPipeError:  # `show ... | head`
        sys.stderr.close()
