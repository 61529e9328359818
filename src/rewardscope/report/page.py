"""`docs/results.md`: each table and figure of a run beside the paper's values, in Markdown.

Numbers come from the run's files and from paper.yaml; the remark under each section is written by hand (`remarks`, a YAML
file: name of the section -> text) and printed as it is.
"""

import shutil
from pathlib import Path

import pandas as pd
import yaml

from rewardscope.errors import UserError
from rewardscope.files import whole
from rewardscope.tables.paper import VALUES
from rewardscope.text import markdown

KEYS = ["model", "reward"]
REPLICATES = ["runs", "twin_runs"]
SECTIONS = {  # name -> title, source (a file below the results folder), columns shown (None: all)
    "table1": ("Table 1: hyperparameters of tuning", "tables/table1.csv", ["model", "reward", "setting", "used", "paper", "compared"]),
    "table2": ("Table 2: sizes and training of the autoencoders", "tables/table2.csv", None),
    "table3": ("Table 3: utility of the explanations", "tables/table3.csv", [*KEYS, "m_base", "m_rlhf", "difference", "over_twin", "promotes_signed_base", "promotes_signed_rlhf", "promotes_signed_difference", "promotes_signed_net", "promotes_signed_base_through_rlhf", "promotes_signed_rlhf_through_base", "promotes_signed_over_twin", "promotes_signed_placebo_p", *REPLICATES]),
    "table4": ("Table 4: utility of completions", "tables/table4.csv", [*KEYS, "m_base", "m_rlhf", "difference", "over_twin", "reward_base", "reward_rlhf", "reward_difference", "reward_over_twin", *REPLICATES]),
    "table5": ("Table 5 (Appendix E): explanations of the best matched features, tuned side", "tables/table5.csv", [*KEYS, "layer", "place", "feature", "cosine", "activates_on", "promotes"]),
    "figure3": ("Figure 3: parameter divergence", "figures/figure3.csv", [*KEYS, "layer", "divergence"]),
    "figure4": ("Figure 4: the L1 coefficient", "figures/figure4.csv", ["width", "l1_on", "l1_coefficient", "l0", "mse", "fvu", "layers"]),
    "table6": ("Table 6: tied against untied weights", "tables/table6.csv", ["model", "width", "weights", "layers", "l0", "l0_over_100", "mse", "fvu"]),
    "table7": ("Table 7: the most divergent layers against those nearest the input", "tables/table7.csv", ["model", "width", "tied", "choice", "layers", "overlap", "l0", "l0_over_100", "mse", "fvu"]),
    "section5.3": ("Section 5.3: explanations that name a word of U", "tables/section5.3.csv", [*KEYS, "measure", "base", "rlhf", "difference", "over_twin", "placebo_p", "chance_tokens", "promotes_base", "promotes_rlhf", "promotes_difference", "promotes_net", "promotes_base_through_rlhf", "promotes_rlhf_through_base", "promotes_over_twin", "promotes_placebo_p"]),
    "section6.1": ("Section 6.1: explanations about opinions on films", "tables/section6.1.csv", [*KEYS, "layer", "texts", "base", "rlhf", "difference"]),
    "section6.2": ("Section 6.2: does Table 3 follow Table 4?", "tables/section6.2.csv", ["text", "statistic", "value", "within", "points", "groups"]),
    "step4": ("Step 4: features found, lost and kept", "tables/step4.csv", [*KEYS, "layer", "among", "change", "kept_at", "count", "null", "difference", "random", "net", "over_twin"]),
    "probe": ("The probe: how much of the reward the features hold", "tables/probe.csv", [*KEYS, "layer", "predictors", "metric", "base", "rlhf", "difference"]),
}  # fmt: skip
ROWS = {  # what is shown of a long table
    "table5": "side == 'rlhf' and place <= 3",
    "step4": "layer == 'total' and kept_at == 'chance'",
    "probe": "layer == 'total'",
}


def write(folders: list[str | Path], remarks: str | Path, file: str | Path) -> None:
    """Write the page, each section from the first of `folders` that holds it; figures are copied into `figures/` beside it.

    Raises UserError where no folder holds a section at all, or the remarks cannot be read.
    """
    try:
        texts = yaml.safe_load(Path(remarks).read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{remarks}: cannot be read ({error})") from error
    out = [texts.get("head", "")]
    for name, (title, source, columns) in SECTIONS.items():
        run = next((Path(folder) for folder in folders if (Path(folder) / source).exists()), None)
        if run is None:
            continue
        out += ["", f"## {title}", ""]
        if (picture := run / f"figures/{name}.png").exists():
            (copies := Path(file).parent / "figures").mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, copies / picture.name)
            out += [f"![{title}](figures/{picture.name})", ""]
        out += [table(pd.read_csv(run / source), columns, ROWS.get(name)), *theirs(name)]
        if name in texts:
            out += ["", texts[name].strip()]
    if len(out) == 1:
        raise UserError(f"{', '.join(map(str, folders))}: no table or figure there")
    with whole(file) as partial:
        partial.write_text("\n".join(out).strip() + "\n", encoding="utf-8")


def table(frame: pd.DataFrame, columns: list[str] | None, rows: str | None = None) -> str:
    """A Markdown table; an estimate whose interval the frame holds (`NAME_ci_low`, of `difference` its prefix and `ci_low`) shows it in brackets.

    Empty columns are left out.
    """
    if rows:
        frame = frame.query(rows)
    shown = [c for c in (columns or frame.columns) if c in frame and frame[c].notna().any()]
    cells = {c: [_cell(row, c) for row in frame.to_dict("records")] for c in shown}
    return markdown(shown, list(zip(*cells.values(), strict=True)))


def theirs(name: str) -> list[str]:
    """The paper's values of a section as Markdown lines, where it has some that are not in our table's own columns."""
    values = VALUES.get(name)
    if name in ("table1", "table2") or not values:
        return []
    flat = {model: pd.json_normalize(line).iloc[0].to_dict() for model, line in values.items()}
    columns = list(dict.fromkeys(key for line in flat.values() for key in line))
    rows = [[model, *(_number(line.get(c)) for c in columns)] for model, line in flat.items()]
    return ["", "The paper:", "", markdown(["model", *columns], rows)]


def _cell(row: dict, column: str) -> str:
    text = _number(row[column])
    stem = column.removesuffix("difference") if column.endswith("difference") else f"{column}_".removeprefix("value_")
    low, high = (row.get(f"{stem}ci_{end}") for end in ("low", "high"))
    named = isinstance(row[column], str)  # `reward` is a name, and `reward_ci_low` is not its
    return text if named or pd.isna(low) else f"{text} ({_number(low)} to {_number(high)})"


def _number(value: object) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return ""
    return f"{value:.3g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:.0f}" if isinstance(value, float) else str(value)
