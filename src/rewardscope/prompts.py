"""Prompts as files: plain text with the places that are filled in, `{reviews}` for one."""
from pathlib import Path

from rewardscope.errors import UserError

FOLDER = Path(__file__).parents[2] / "workflow" / "prompts"
PLACES = {"explain": ("{reviews}",), "promotes": ("{raised}", "{lowered}")}


def files(settings: dict) -> dict[str, Path]:
    """The prompts that the explainer `openai` uses, by kind; `settings` is the config's `llm:` section."""
    own = {"explain": settings["prompt"], "promotes": settings["promotes_prompt"]}
    return {kind: Path(own[kind] or FOLDER / f"{kind}.txt") for kind in PLACES if kind != "promotes" or settings["promotes"]}


def load(path: str | Path, kind: str) -> str:
    """The text of a prompt file of one `kind`, a key of `PLACES`. Raises UserError where it lacks a place, or is not there."""
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: this prompt cannot be read ({error})") from error
    if missing := [place for place in PLACES[kind] if place not in text]:
        raise UserError(f"{path}: this prompt has no {' and no '.join(missing)}, where the feature is shown")
    return text


def fill(text: str, **parts: str) -> str:
    """The prompt with its places filled in; any other brace stays as it is."""
    for name, part in parts.items():
        text = text.replace(f"{{{name}}}", part)
    return text
