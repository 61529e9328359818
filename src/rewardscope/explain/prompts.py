"""Prompts as files: plain text with the places that are filled in, `{reviews}` for one."""

import re
from pathlib import Path

from rewardscope.errors import UserError

FOLDER = Path(__file__).parents[3] / "workflow" / "prompts"
PLACES = {  # what a prompt must hold, by its kind, which is also its file's name
    "explain": ("{reviews}",),
    "promotes": ("{raised}", "{lowered}"),
    "simulate": ("{explanation}", "{items}"),
    "detect": ("{explanation}", "{items}"),
}
EXPLAINING = ("explain", "promotes")
SCORING = {"simulation": "simulate", "detection": "detect"}  # scorer -> kind
LINE_TOKENS = 8  # of a line of an answer that numbers its items, at most
OWN = {"explain": "prompt", "promotes": "promotes_prompt", "simulate": "simulate_prompt", "detect": "detect_prompt"}  # keys of the config's `llm:`


def files(settings: dict) -> dict[str, Path]:
    """The prompts in use, by kind; `settings` is the config's `llm:` section."""
    used = [kind for kind in PLACES if kind != "promotes" or settings["promotes"]]
    return {kind: Path(settings[OWN[kind]] or FOLDER / f"{kind}.txt") for kind in used}


def load(path: str | Path, kind: str) -> str:
    """The text of a prompt file of one `kind`, a key of `PLACES`. Raises UserError where it lacks a place, or is not there."""
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: this prompt cannot be read ({error})") from error
    if missing := [place for place in PLACES[kind] if place not in text]:
        raise UserError(f"{path}: this prompt has no {' and no '.join(missing)}, which is filled in")
    return text


def fill(text: str, **parts: object) -> str:
    """The prompt with its places filled in, in one pass, as what is filled in may hold braces; any other brace stays as it is."""
    return re.sub(rf"\{{({'|'.join(parts)})\}}", lambda place: str(parts[place[1]]), text)
