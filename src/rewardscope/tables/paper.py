"""The paper's values (paper.yaml), and a setting of ours beside them."""

import json
from pathlib import Path

import yaml

VALUES = yaml.safe_load(Path(__file__).with_name("paper.yaml").read_text(encoding="utf-8"))


def beside(setting: str, used: object, places: dict[str, dict]) -> dict:
    """A row of Table 1 or 2: `setting, used, paper, paper_place, compared`.

    `places` maps a name of a place in the paper to the values it gives; the first that has the setting counts.
    `compared` is `equal`, `differs`, or None where the paper is silent.
    """
    place = next((name for name, values in places.items() if setting in values), None)
    theirs = places[place][setting] if place else None
    compared = ("equal" if used == theirs else "differs") if place else None
    return {"setting": setting, "used": _shown(used), "paper": _shown(theirs), "paper_place": place, "compared": compared}


def _shown(value: object) -> str | None:
    """As the config writes it: `64`, `true`, `[2, 9]`, `mlp`."""
    return value if value is None or isinstance(value, str) else json.dumps(value)
