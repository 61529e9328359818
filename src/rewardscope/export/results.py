"""`rewardscope.open`: a results folder as data frames and autoencoders."""

from pathlib import Path

import pandas as pd

from rewardscope.activations import picks
from rewardscope.errors import UserError
from rewardscope.export import frames
from rewardscope.export.saelens import Dictionary, load_sae


class Results:
    """What the workflow has made so far in a results folder.

    Every method takes columns as keywords and gives the rows that have these values: `features(reward="utility", run=1, side="rlhf")`.
    A base side that all pairs of a model share belongs to each of them.
    """

    def __init__(self, folder: str | Path):
        """Raises UserError where the folder holds no results."""
        self.folder = Path(folder)
        if not (self.folder / "pairs").is_dir():
            raise UserError(f"{folder}: no results folder, it has no `pairs` in it; `snakemake` makes one")
        files = sorted(self.folder.glob("pairs/*/*/run*/layers.json"))
        self._layers = picks.read([file.parent.relative_to(self.folder).as_posix() for file in files], files)

    def __repr__(self) -> str:
        return f"rewardscope.open({str(self.folder)!r})"

    def pairs(self, **which: object) -> pd.DataFrame:
        """A row a pair and run: `model`, `reward`, `run`, `tuned_here` (else its tuned checkpoint was given), `path`."""
        rows = []
        for path in self._layers:
            _, model, reward, run = path.split("/")
            tuned_here = not (self.folder / path / "rlhf/source.json").exists()
            rows.append({"model": model, "reward": reward, "run": int(run.removeprefix("run")), "tuned_here": tuned_here, "path": path})
        return _chosen(pd.DataFrame(rows, columns=["model", "reward", "run", "tuned_here", "path"]), which)

    def places(self, **which: object) -> pd.DataFrame:
        """A row a place: `model`, `reward`, `run`, `side`, `recipe`, `pick`, `layer`."""
        saes = self.saes()
        return _chosen(saes[list(saes)[: list(saes).index("width")]].drop_duplicates(ignore_index=True), which)

    def saes(self, **which: object) -> pd.DataFrame:
        """A row an autoencoder, with its metrics on held documents and its `path`."""
        return self._of("saes", which)

    def features(self, **which: object) -> pd.DataFrame:
        """A row a feature of the small dictionaries, the best matched of a place and seed first."""
        return self._of("features", which)

    def explanations(self, **which: object) -> pd.DataFrame:
        """A row an explanation."""
        return self._of("explanations", which)

    def findings(self, **which: object) -> pd.DataFrame:
        """What tuning changed, over runs; only rows that are `shown` are findings."""
        return _chosen(frames.findings(self.folder / "tables/findings.csv"), which)

    def sae(self, **which: object) -> Dictionary:
        """The one autoencoder that has these values; raises UserError where there are none or several."""
        saes = self.saes(**which)
        if len(saes) != 1:
            told = ", ".join(saes["path"].head(3)) + ", ..." * (len(saes) > 3)
            raise UserError(
                f"{self.folder}: {len(saes)} autoencoders have these values, it must be one; `saes()` lists all" + f" ({told})" * bool(told)
            )
        return load_sae(self.folder / saes["path"].iloc[0])

    def _of(self, kind: str, which: dict) -> pd.DataFrame:
        """A table of `frames`, from the files that are there."""
        files = sorted(file for root in ("pairs", "bases") for file in (self.folder / root).rglob("*") if self._is(kind, file))
        return _chosen(getattr(frames, kind)(self.folder, files, self._layers), which)

    def _is(self, kind: str, file: Path) -> bool:
        return frames.PATHS[kind].fullmatch(file.relative_to(self.folder).as_posix()) is not None


def open_results(folder: str | Path = "results") -> Results:
    """What the workflow has made in a results folder; raises UserError where it is none."""
    return Results(folder)


def _chosen(frame: pd.DataFrame, which: dict[str, object]) -> pd.DataFrame:
    """Rows with these values; of a shared base, which has no reward and no run, those of every reward and run."""
    for name, value in which.items():
        if name not in frame:
            raise UserError(f"no column {name}; there are {', '.join(frame)}")
        fits = (frame[name] == value).fillna(False)
        if name in ("reward", "run") and "side" in frame:
            fits |= frame[name].isna() & (frame["side"] == "base")
        frame = frame[fits]
    return frame.reset_index(drop=True)
