"""The workflow's tables as text and its figures as pictures, for the report's template."""

import base64
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd
import yaml
from markupsafe import Markup

from rewardscope.files import read_json

ROWS = 60  # of a table
TITLES = {
    "table1": "Table 1: settings of tuning beside the paper's", "table2": "Table 2: settings of the autoencoders beside the paper's",
    "table3": "Table 3: utility of what features fire on and promote", "table4": "Table 4: utility and reward of completions",
    "table5": "Table 5: explanations of the best matched features", "table6": "Table 6: tied against untied weights",
    "table7": "Table 7: the most divergent layers against the lowest", "section5.3": "Section 5.3: words of the reward in the explanations",
    "section5.3.words": "Section 5.3: the words", "section6.1": "Section 6.1: explanations about opinions on films",
    "section6.2": "Section 6.2: Table 3's differences against Table 4's", "step4": "Step 4: features found, lost, kept, moved",
    "quality": "Autoencoders: reconstruction, sparsity, MMCS and its nulls", "probe": "Probe: the reward read off the features",
    "perplexity": "The base model's perplexity beside a trigram model's", "metrics": "Accuracy of a reward classifier",
    "findings": "Findings: contexts, what the tuned model says there, and what other contexts give",
    "crosscoder": "Crosscoder: features of one side alone", "crosscoder_features": "Crosscoder: the tuned side's own features, in words",
    "dictionaries": "Autoencoders of several recipes",
    "scores": "Scores of the explanations on held documents",
}  # fmt: skip
PICTURES = {
    "figure4": "Figure 4: the L1 coefficient against reconstruction and sparsity",
    "table6": "Table 6: tied and untied weights, their losses",
    "section6.2": "Section 6.2: Table 3's differences against Table 4's, over tuning runs",
}
COLUMNS: dict[str, dict[str, str]] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def read_table(file: str | Path) -> pd.DataFrame:
    """A table of the workflow: CSV, or JSON with one value a field."""
    return pd.DataFrame([read_json(file)]) if Path(file).suffix == ".json" else pd.read_csv(file)


def pictured(file: str | Path) -> dict:
    """A figure and its title; it is the address of an image: what it holds cannot run or ask for anything."""
    source = "data:image/svg+xml;base64," + base64.b64encode(Path(file).read_bytes()).decode()
    return {"title": PICTURES[Path(file).stem], "source": Markup(source)}


def listing(file: str, table: pd.DataFrame) -> dict:
    """A table as text, its first rows."""
    columns = [[_cell(value) for value in table[column].head(ROWS)] for column in table]
    name, rows = Path(file).stem, list(zip(*columns, strict=True))
    about = COLUMNS.get(name, {}).get("about", "")
    facts = {"about": about[:1].upper() + about[1:], "meanings": meanings(name, list(table.columns))}
    return {"title": TITLES.get(name, name), "file": file, "columns": list(table.columns), "rows": rows, "left": max(0, len(table) - ROWS), **facts}


def meanings(name: str, columns: list[str]) -> list[tuple[str, str]]:
    """What those of `columns` are, by tables.yaml: the table's own entries, then those of every table; (names, a * for any text; sentence)."""
    entries = [*COLUMNS.get(name, {}).items(), *COLUMNS["every table"].items()]
    return [(names, says) for names, says in entries if any(fnmatchcase(column, one) for one in names.split(", ") for column in columns)]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.4g}"
    return "" if pd.isna(value) else str(value)
