"""docs/evidence.md from the tables of `make validate`: what was not shown first, then what was, plots and the cost.

python benchmarks/planted/page.py results/validate/evidence docs --sealed results/validate-sealed/evidence

The tables are copied into docs/evidence/, those of `make validate-sealed` (--sealed) into docs/evidence/sealed/, figures into docs/figures/.
"""

import argparse
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from measures import recall

from rewardscope.figures import plots
from rewardscope.files import whole
from rewardscope.findings.kinds import WITH, WITHOUT
from rewardscope.report.page import markdown

HERE = Path(__file__).parent
TABLES = ["runs", "outcomes", "recalls", "tests", "twins", "rules", "own", "cost", "real"]
REACH = {WITH: 0.85, WITHOUT: 0.70}
CELLS, ANY, ALPHA = 0.05, 0.1, 0.05
RANKED = ["features", "random directions", "last words"]  # whose ranks are told run by run
SIDES = ["features", "shared features", "difference features", "random directions", "last words", "tokens"]
TODAY = ["paper features", "matryoshka features", "crosscoder features"]  # read beside BatchTopK's on the sealed kinds
HEAD = """\
# Evidence: does a finding name what a reward paid for?

Made by `python benchmarks/planted/page.py {tables} docs --sealed {sealed}` from the tables of `make validate`
and `make validate-sealed` (copied to `docs/evidence/`). What was to be run, measured and tested stood in
[evidence-plan.md](evidence-plan.md) before any held or sealed kind was run; kinds and rules are in `benchmarks/planted/`.
{machine}

*recall@10*: the share of the kinds learned in their strong run of which a shown finding, among the ten best, names what was paid for; Wilson's
interval. *With the reward*: the reward was at hand when the model was read; *two checkpoints*: it was not. *Invisible*: counts of words do not
foretell the reward (R² below 0.3)."""
ALARMS = """\
Of the twins that set no threshold. *any_shown*: the share with any finding shown, whatever the reward they are read with; *any_named*: with one that
the rule of some kind takes for it; *cells*: the share of (twin, kind) so taken, with a bootstrap over twins."""
REAL = """\
The model of [imdb-small.md](imdb-small.md), one run a kind (`config/validate-imdb.yaml`), at the product's threshold of 4.5: the rank of the first
shown finding that names the kind, and the largest score of its contexts in brackets. No twin was tuned for these."""
STOPS = """\
Looked at afterwards, and no part of the plan: of the learned strong runs, those with a shown finding that names the kind (*found*), those
where one of the ten best does, below the threshold that the twins set (*unheard*), and those where none of the ten does (*unnamed*)."""
SEALED = """\
`make validate-sealed`, under the plan's third addendum: 13 kinds that no run had seen, and 33 of the twins above with dictionaries trained
anew. *features* are those of a BatchTopK dictionary of the tuned side, *shared* and *difference features* BatchTopK's of both sides, *paper*
and *matryoshka features* those of other recipes on the same activations, *crosscoder features* BatchTopK's. {machine} The tables are in
`docs/evidence/sealed/`."""
OWN = "Read with their own reward (noise) or for their own words (`words`, which they learn), and with the utility table:"


class Tables(dict):
    """The tables by name, as attributes."""

    __getattr__ = dict.__getitem__

    def strong(self, of: str = "held") -> pd.DataFrame:
        """Outcomes of the learned strong runs of a set."""
        table = self.outcomes
        return table[table["learned"] & ~table["weak"] & (table["set"] == of)]


def read(folder: Path) -> Tables:
    return Tables({file.stem: pd.read_csv(file) for file in (folder / f"{name}.csv" for name in TABLES) if file.exists()})


def tested(row: dict) -> str:
    """A comparison in a sentence."""
    best = row["one"] if row["difference"] > 0 else row["other"]
    verdict = "too few kinds to test" if math.isnan(row["p"]) else f"{best} find more" if row["p"] < ALPHA else "were not shown to differ"
    return (
        f"{row['mode']}, **{row['one']} against {row['other']}**: {verdict} (mean inverse rank {row['difference']:+.3f}, p {row['p']:.3f}, "
        f"{row['kinds']} kinds; {row['one_alone']} found by {row['one']} alone, {row['other_alone']} by {row['other']} alone)"
    )


def recalls(tables: Tables, of: str = "held") -> pd.DataFrame:
    """Recall of strong runs by mode and contexts, of all kinds, of visible and of invisible ones."""
    rows = []
    for (mode, contexts), all_kinds in tables.strong(of).groupby(["mode", "contexts"], sort=False):
        for name, chosen in (
            ("all", all_kinds), ("visible", all_kinds[all_kinds["visible"]]), ("invisible", all_kinds[~all_kinds["visible"]])
        ):  # fmt: skip
            rows.append({"mode": mode, "contexts": contexts, "kinds": name, **{"of" if k == "kinds" else k: v for k, v in recall(chosen).items()}})
    return pd.DataFrame(rows)


def reaches(tables: Tables, of: str = "held", contexts: str = "features") -> list[tuple[bool, str]]:
    """Whether each figure that the plan asks for was reached, in words."""
    shares, twins = recalls(tables, of).set_index(["mode", "contexts", "kinds"]), tables.twins.set_index(["mode", "contexts"])
    out = []
    for mode, least in REACH.items():
        if (mode, contexts, "all") in shares.index:
            row = shares.loc[(mode, contexts, "all")]
            out.append(
                (
                    row["recall"] >= least,
                    f"{mode}, {contexts}: recall@10 {_share(row, 'recall')} ({row['found']:.0f} of {row['of']:.0f}); asked: {least}",
                )
            )
        alarms = twins.loc[(mode, contexts)]
        out.append((alarms["cells"] <= CELLS, f"{mode}, {contexts}: {_share(alarms, 'cells')} of the cells named; asked: at most {CELLS}"))
        shown = f"{mode}, {contexts}: {alarms['any_shown']:.2f} of {alarms['twins']:.0f} twins with anything shown; asked: at most {ANY}"
        out.append((alarms["any_shown"] <= ANY, shown))
    return out


def missed(tables: Tables, of: str = "held") -> list[str]:
    """Kinds that were not learned, and learned ones that no kind of contexts found, in words."""
    runs = tables.runs[tables.runs["set"] == of]
    unlearned = {"strong": runs[~runs["weak"] & ~runs["learned"]], "weak": runs[runs["weak"] & ~runs["learned"]]}
    out = [f"Not learned in the {name} run ({len(rows)} of {runs['kind'].nunique()}): {_list(rows['kind'])}." for name, rows in unlearned.items()]
    for mode, rows in tables.strong(of).groupby("mode", sort=False):
        found = rows[rows["contexts"].isin(SIDES + TODAY)].groupby("kind", sort=False)["found"].any()
        out.append(f"Learned and found by no context, {mode}: {_list(found.index[~found])}.")
    return out


def _list(names) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _share(row, column: str) -> str:
    return f"{row[column]:.2f} ({row['ci_low']:.2f} to {row['ci_high']:.2f})"


def stops(tables: Tables, of: str = "held") -> pd.DataFrame:
    """Of the learned strong runs by mode and contexts: found, named below the threshold alone, not named."""
    table = tables.strong(of)
    table = table[table["contexts"].isin(SIDES + TODAY)]
    table = table.assign(unheard=~table["found"] & table["named_at"].notna(), unnamed=~table["found"] & table["named_at"].isna())
    return table.groupby(["mode", "contexts"], sort=False)[["found", "unheard", "unnamed"]].sum().reset_index()


@plots.house()
def draw(shares: pd.DataFrame) -> Figure:
    """Recall by contexts, a panel a mode; visible and invisible kinds, with intervals."""
    figure, grid = plots.panels(1, 2, height=3.4)
    for axes, mode in zip(grid.flat, (WITH, WITHOUT), strict=True):
        rows = shares[shares["mode"] == mode]
        names = [name for name in rows["contexts"].unique()]
        for i, kinds in enumerate(("visible", "invisible")):
            line = rows[rows["kinds"] == kinds].set_index("contexts").reindex(names)
            y = np.arange(len(names)) + 0.15 * (2 * i - 1)
            bars = np.clip(np.stack([line["recall"] - line["ci_low"], line["ci_high"] - line["recall"]]), 0, None)
            looks = {**plots.look(3 * i), "linestyle": ""}
            axes.errorbar(line["recall"], y, xerr=bars, elinewidth=0.9, label=f"{kinds} to word counts", **looks)
        axes.axvline(REACH[mode], color=plots.INK, linestyle=":", label="asked")
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlim(-0.02, 1.02)
        axes.set_title(mode)
        axes.set_xlabel("recall@10 of learned held kinds")
    plots.legend(figure)
    return figure


def per_kind(tables: Tables, of: str = "held", contexts: list[str] = RANKED) -> str:
    """A row a run: what it pays, gain, KL, and the rank of the first finding that names it by mode and contexts."""
    pays = pd.read_csv(HERE / "kinds.csv").set_index("kind")
    rows = []
    for run in tables.runs[tables.runs["set"] == of].to_dict("records"):
        ranks = tables.outcomes[tables.outcomes["run"] == run["run"]].set_index(["mode", "contexts"])["rank"]
        said = ["" if math.isnan(ranks.get((mode, name), math.nan)) else f"{ranks[mode, name]:.0f}" for mode in (WITH, WITHOUT) for name in contexts]
        kind = pays.loc[run["kind"]]
        rows.append([
            run["run"], kind["pays"], "yes" if kind["visible"] else "no", f"{run['gain_in_sd']:.2f}", f"{run['kl']:.1f}",
            "yes" if run["learned"] else "no", *said,
        ])  # fmt: skip
    head = ["run", "pays", "visible", "gain, base sd", "KL", "learned", *(f"{mode}: {name}" for mode in ("with", "without") for name in contexts)]
    return markdown(head, rows)


def own_rewards(tables: Tables) -> pd.DataFrame:
    """Shares of the counted twins, by what they were tuned on."""
    groups = tables.own.groupby(["kind", "contexts"], sort=False)
    shares = {name: (name, "mean") for name in ("shown", "own_named", "utility_named")}
    return groups.agg(twins=("twin", "nunique"), **shares).reset_index()


def plain(frame: pd.DataFrame) -> str:
    number = lambda value: str(value) if not isinstance(value, float) else "" if math.isnan(value) else f"{value:.2f}"
    return markdown(list(frame), [[number(value) for value in row] for row in frame.itertuples(index=False)])


def on_real_text(tables: Tables) -> list[str]:
    """Kinds on real reviews: a row a kind, the rank of the first finding that names it and the largest score, by mode and contexts."""
    if "real" not in tables:
        return ["Not run."]
    table = tables.real[tables.real["contexts"].isin(["features", "random directions", "last words"])]
    cell = [f"{'no' if math.isnan(rank) else f'{rank:.0f}'} ({score:.1f})" for rank, score in zip(table["rank"], table["score"], strict=True)]
    keys = ["kind", "gain_in_sd", "kl", "learned"]
    wide = table.assign(cell=cell, how=table["mode"] + ": " + table["contexts"]).pivot(index=keys, columns="how", values="cell").reset_index()
    return [REAL, "", plain(wide)]


def on_sealed(tables: Tables, machine: str) -> list[str]:
    """What the sealed kinds gave: what was not shown first."""
    if not tables:
        return ["Not run."]
    tests, reached, shares = tables.tests, reaches(tables, "sealed"), recalls(tables, "sealed")
    said = [(row["p"] < ALPHA, tested(row)) for row in tests[tests["registered"]].to_dict("records")] + reached
    lines = [line for shown, line in said if not shown] + missed(tables, "sealed") + [line for shown, line in said if shown]
    beside = [tested(row) for row in tests[~tests["registered"]].to_dict("records")]
    ranked = ["features", "paper features", "crosscoder features", "random directions", "last words"]
    return [
        SEALED.format(machine=machine), "", *(f"- {line}" for line in lines), "",
        "No hypotheses, beside them:", "", *(f"- {line}" for line in beside), "",
        plain(shares), "", plain(tables.twins[tables.twins["contexts"].isin(ranked + TODAY)]), "", OWN, "", plain(own_rewards(tables)), "",
        STOPS, "", plain(stops(tables, "sealed")), "", "Ranks of the first shown finding that names the kind; empty: none.", "",
        per_kind(tables, "sealed", ranked),
    ]  # fmt: skip


def page(tables: Tables, folders: tuple[Path, Path], machine: str, sealed: Tables, sealed_machine: str = "") -> str:
    tests = tables.tests[tables.tests["set"] == "held"].to_dict("records")
    reached, shares = reaches(tables), recalls(tables)
    null = [tested(row) for row in tests if not row["p"] < ALPHA] + [text for met, text in reached if not met] + missed(tables)
    shown = [tested(row) for row in tests if row["p"] < ALPHA] + [text for met, text in reached if met]
    often = tables.rules[tables.rules["contexts"] == "features"].sort_values("rate", ascending=False).groupby("mode", sort=False).head(5)
    minutes = tables.cost["cpu_minutes"].sum()
    sections = {
        "What was not shown": [f"- {line}" for line in null or ["Nothing: all was."]],
        "What was": [f"- {line}" for line in shown or ["Nothing."]],
        "Recall": ["![recall@10 by contexts](figures/evidence.png)", "", plain(shares)],
        "Where it stops": [STOPS, "", plain(stops(tables))],
        "False alarms": [ALARMS, "", plain(tables.twins), "", OWN, "", plain(own_rewards(tables)), "",
                         "Rules that most often take a run of another kind for theirs (features):", "", plain(often)],
        "Every held run": ["Ranks of the first shown finding that names the kind; empty: none.", "", per_kind(tables)],
        "Sealed kinds, and dictionaries of today": on_sealed(sealed, sealed_machine),
        "Real reviews": on_real_text(tables),
        "Cost": [f"{minutes:.0f} CPU minutes in {tables.cost['jobs'].sum()} jobs of the workflow:", "", plain(tables.cost.head(8))],
    }  # fmt: skip
    texts = [f"\n## {title}\n\n" + "\n".join(lines) for title, lines in sections.items()]
    return "\n".join([HEAD.format(tables=folders[0], sealed=folders[1], machine=machine), *texts, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", type=Path, help="folder of the tables of make validate")
    parser.add_argument("docs", type=Path, help="folder that gets evidence.md, evidence/ and figures/")
    parser.add_argument("--machine", default="", help="a sentence on where it was run")
    parser.add_argument("--sealed", type=Path, required=True, help="folder of the tables of make validate-sealed")
    parser.add_argument("--sealed-machine", default="", help="a sentence on where that was run")
    arguments = parser.parse_args()
    tables = read(arguments.tables)
    sealed = read(arguments.sealed)
    (arguments.docs / "figures").mkdir(parents=True, exist_ok=True)
    for of, source, target in ((tables, arguments.tables, "evidence"), (sealed, arguments.sealed, "evidence/sealed")):
        (arguments.docs / target).mkdir(parents=True, exist_ok=True)
        for name in of:
            shutil.copyfile(source / f"{name}.csv", arguments.docs / target / f"{name}.csv")
    plots.save(draw(recalls(tables)), arguments.docs / "figures/evidence.svg", arguments.docs / "figures/evidence.png")
    with whole(arguments.docs / "evidence.md") as file:
        file.write_text(page(tables, (arguments.tables, arguments.sealed), arguments.machine, sealed, arguments.sealed_machine), encoding="utf-8")


if __name__ == "__main__":
    main()
