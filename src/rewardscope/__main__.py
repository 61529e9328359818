"""`python -m rewardscope show FILE...`: a table in the terminal, one field a line. `dag [OVERLAY...]`: the DAG as pictures."""
import sys

from rewardscope import dag
from rewardscope.errors import UserError


def show(file: str) -> None:
    """Print the rows of a CSV table, turned so that the columns fit."""
    import pandas as pd

    try:
        table = pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read as a table ({error})") from error
    print(f"{file}\n{table.T.to_string(header=False, na_rep='-', float_format=lambda v: f'{v:.4g}')}\n")


def main(arguments: list[str]) -> None:
    """Run one command."""
    match arguments:
        case ["show", _, *_]:
            for file in arguments[1:]:
                show(file)
        case ["dag", *overlays]:
            dag.main(overlays)
        case _:
            raise UserError("usage: python -m rewardscope show FILE... | dag [OVERLAY...]")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"rewardscope: {error}")
    except BrokenPipeError:  # `show ... | head`
        sys.stderr.close()
