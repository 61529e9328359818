"""From the files of `make validate` its tables: what each run, kind of contexts and twin gave, and the registered tests.

    python benchmarks/planted/evidence.py results/imdb-small results/validate/evidence

adds the table of the kinds on real reviews (config/validate-imdb.yaml).
"""

import argparse
from pathlib import Path

import measures
import pandas as pd
from plan import BESIDE, REAL
from read import OWN, TABLE, file_of
from rules import rewarded_by

from rewardscope.files import read_json
from rewardscope.findings.kinds import WITH, WITHOUT
from rewardscope.rewards.utility import load_table

HERE = Path(__file__).parent
LEAST = 4.5  # of a threshold: the product's own
PAIRED = [  # contexts, against which, in which mode
    ("features", "random directions", WITH), ("features", "last words", WITH), ("features", "shared features", WITH),
    ("features", "random directions", WITHOUT), ("features", "last words", WITHOUT), ("features", "shared features", WITHOUT),
    ("features", "paper: promotes", WITH), ("features", "paper: activates_on", WITH),
    *(("features", f"{recipe} features", mode) for mode in (WITH, WITHOUT) for recipe in BESIDE),
    *(("crosscoder features", "random directions", mode) for mode in (WITH, WITHOUT)),
]  # fmt: skip
BESIDE_SEALED = {"shared features", "matryoshka features"}  # compared on the sealed kinds too, without a hypothesis


def runs(results: Path, kinds: pd.DataFrame, model: str = "tiny") -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row for each run of a kind, and the findings of all of them, with what the paper's own reading says beside."""
    facts, findings = [], []
    for kind, of in zip(kinds["kind"], kinds["set"], strict=True):
        for name in (kind, f"{kind}-weak"):
            folder = results / f"pairs/{model}/{name}/run1"
            if not (folder / "findings.parquet").exists():
                continue
            facts.append({"set": of, "kind": kind, "run": name, "weak": name != kind, **measures.run_facts(folder)})
            beside = file_of(results, f"pairs/{model}/{name}/run1")  # has other recipes' features too
            found = pd.concat([pd.read_parquet(beside if beside.exists() else folder / "findings.parquet"), paper(folder)], ignore_index=True)
            findings.append(measures.naming(found, kind).assign(kind=kind, run=name))
    return pd.DataFrame(facts), pd.concat(findings, ignore_index=True)


def paper(folder: Path) -> pd.DataFrame:
    """The ten best matched features (MMCS) as the paper reads them: by what their decoder rows promote, and by the words that they fire on.

    As findings of the mode with the reward, with a score above any threshold: the paper has none. Its reading knows of no reward.
    """
    rows = []
    for file in sorted(folder.glob("rlhf/explanations/paper/*/tokens/seed1.sample1.jsonl")):
        for rank, line in enumerate(read_json(file)[: measures.BUDGET], start=1):
            raised, lowered = ([{"token": token["token"].strip().lower()} for token in line[of]] for of in ("raised", "lowered"))
            common = {"mode": WITH, "rank": rank, "score": float("inf"), "first": 0, "last": 0, "examples": [], "gain": float("nan")}
            rows.append({**common, "contexts": "paper: promotes", "fires_on": line["words"], "more": raised, "less": lowered})
            on = [{"token": word} for word in line["words"]]
            rows.append({**common, "contexts": "paper: activates_on", "fires_on": line["words"], "more": on, "less": []})
    return pd.DataFrame(rows)


def cells(results: Path, kinds: list[str], twins: list[str]) -> pd.DataFrame:
    """Findings of every twin with every kind's reward and, from the checkpoints alone, under every kind's rule; a row a finding and cell."""
    out = []
    for twin in twins:
        table = pd.read_parquet(file_of(results, f"pairs/tiny/{twin}/run1"))
        for kind in kinds:
            rows = table[(table["read_with"] == kind) | (table["mode"] == WITHOUT)]
            out.append(measures.naming(rows, kind).assign(twin=twin, cell=kind))
    return pd.concat(out, ignore_index=True)


def own_rewards(results: Path, twins: list[str], limits: pd.Series) -> pd.DataFrame:
    """A row for each twin that has a reward of its own, which is not constant, and kind of contexts: its largest score with that reward, whether
    anything is shown, whether a shown finding names its own words (of placebo words) and, read with the utility table, that table's."""
    rows = []
    for twin in twins:
        table = pd.read_parquet(file_of(results, f"pairs/tiny/{twin}/run1"))
        file, of = results / f"rewards/{twin}/twin.json", table[table["mode"] == WITH]
        if not file.exists() and not twin.startswith("noise"):
            continue
        rules = {OWN: rewarded_by(read_json(file)["table"])} if file.exists() else {}
        rules[TABLE] = rewarded_by(load_table("vader"))
        for contexts, limit in limits.xs(WITH).items():
            shown = of[(of["contexts"] == contexts) & (of["score"] > limit) & (of["rank"] <= measures.BUDGET)]
            own = of[(of["contexts"] == contexts) & (of["read_with"] == OWN)]
            named = {name: any(map(rule, shown[shown["read_with"] == name].to_dict("records"))) for name, rule in rules.items()}
            rows.append(
                {
                    "twin": twin, "kind": "words" if file.exists() else "noise", "contexts": contexts, "threshold": limit,
                    "score": own["score"].max(), "shown": bool((shown["read_with"] == OWN).any()),
                    "own_named": named.get(OWN), "utility_named": named[TABLE],
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def cost(results: Path) -> pd.DataFrame:
    """Jobs and CPU minutes of every rule, from the workflow's own timings; reading the twins is not among them."""
    rows = [(file.relative_to(results / "benchmarks").parts[0], pd.read_csv(file, sep="\t")) for file in (results / "benchmarks").rglob("*.tsv")]
    times = pd.DataFrame([{"rule": rule, "minutes": pd.to_numeric(of["cpu_time"], "coerce").sum() / 60} for rule, of in rows])
    return times.groupby("rule")["minutes"].agg(jobs="count", cpu_minutes="sum").sort_values("cpu_minutes", ascending=False).reset_index()


def real(results: Path, out: Path) -> None:
    """The table `real` of the kinds on real reviews: a row for each run, mode and kind of contexts, by the product's own threshold."""
    table = pd.read_csv(HERE / "kinds.csv").set_index("kind").loc[list(REAL)].reset_index()
    facts, findings = runs(results, table, "reviewer")
    findings = findings[~findings["contexts"].str.startswith("paper:")]
    limits = findings.groupby(["mode", "contexts"])["score"].agg(lambda _: LEAST)
    outcomes = measures.outcomes(findings, limits).merge(facts, on=["kind", "run"]).merge(table[["kind", "visible"]], on="kind")
    best = findings.groupby(["kind", "run", "mode", "contexts"], as_index=False)["score"].max()
    outcomes.merge(best, on=["kind", "run", "mode", "contexts"], how="left").to_csv(out / "real.csv", index=False)


def halves(names: list[str]) -> tuple[list[str], list[str]]:
    """Twins that set the threshold, and those that are counted: of noise, zero and bases every second one; words are learned rewards, all counted."""
    unlearned = [name for name in names if not name.startswith("words")]
    return unlearned[::2], [name for name in names if name not in unlearned[::2]]


def evidence(results: Path, out: Path, kinds: list[str], twins: list[str]) -> str:
    """Write the tables of these kinds and twins into the folder `out`; returns a line about them."""
    table = pd.read_csv(HERE / "kinds.csv").set_index("kind").loc[kinds].reset_index()
    facts, findings = runs(results, table)
    placebo = cells(results, kinds, twins)
    sets_it, counted = halves(twins)
    also = {*zip(findings["mode"], findings["contexts"], strict=True)}  # a kind of contexts in which no twin shows anything
    of_paper = sorted((of for of in also if of[1].startswith("paper: ")), reverse=True)
    also -= {*of_paper}
    limits = measures.thresholds(placebo[placebo["twin"].isin(sets_it)], len(sets_it), LEAST, also)
    if of_paper:
        limits = pd.concat([limits, pd.Series(0.0, pd.MultiIndex.from_tuples(of_paper, names=limits.index.names))])
    outcomes = measures.outcomes(findings, limits).merge(facts, on=["kind", "run"]).merge(table[["kind", "family", "visible"]], on="kind")
    outcomes["visible"] = outcomes["visible"].astype(bool)
    learned = outcomes[outcomes["learned"]]
    recalls = [
        {"set": of, "visible": visible, "strength": "weak" if weak else "strong", "mode": mode, "contexts": contexts, **measures.recall(rows)}
        for (of, visible, weak, mode, contexts), rows in learned.groupby(["set", "visible", "weak", "mode", "contexts"])
    ]
    tests = [
        {
            "set": of,
            "mode": mode,
            "registered": of == "held" or (of == "sealed" and other not in BESIDE_SEALED),
            **measures.compared(rows[rows["mode"] == mode], one, other),
        }
        for of, rows in learned[~learned["visible"]].groupby("set")
        for one, other, mode in PAIRED
        if {one, other} <= {*rows.loc[rows["mode"] == mode, "contexts"]}
    ]
    alarms = measures.false_alarms(placebo[placebo["twin"].isin(counted)], counted, limits, kinds)
    strong = findings[findings["run"].isin(facts.loc[facts["learned"] & ~facts["weak"], "run"])]
    tables = {"runs": facts, "outcomes": outcomes, "recalls": pd.DataFrame(recalls), "tests": pd.DataFrame(tests), "twins": alarms}
    tables["rules"] = measures.of_others(strong, limits)
    tables["own"] = own_rewards(results, counted, limits.drop(of_paper))
    tables["cost"] = cost(results)
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        rows.to_csv(out / f"{name}.csv", index=False)
    return f"{out}: {len(facts)} runs, of which {int(facts['learned'].sum())} learned their reward at a KL of at most {measures.MOST_KL:g} nats"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("out", type=Path)
    real(**vars(parser.parse_args()))
