"""The configuration's reference, made from its pydantic models: config/README.md and workflow/schemas/config.schema.yaml."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from rewardscope.config.config import Config
from rewardscope.config.entries import Rlhf

README, SCHEMA, COLUMNS = "config/README.md", "workflow/schemas/config.schema.yaml", "docs/columns.md"
NULL = {"type": "null"}
MOST = 2**31 - 1  # not worth saying
KINDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false", "object": "map"}
INTRODUCTION = """\
# Configuration

`config.yaml`, in the folder above, is the default experiment, every key commented. Leave it as it is and write what differs into a
file of your own, an overlay: `snakemake --cores all --configfile mine.yaml`. An overlay's maps are merged into `config.yaml`, its lists
and values replace what stands there; the overlays beside this file are examples. Give each its own `results:`, say under `pairs:`
what runs, and add what that needs to the libraries `corpora:`, `models:`, `rewards:` and `sae_recipes:`, where an entry may take over
another's keys with `like: name`. `snakemake --dry-run --configfile mine.yaml` checks it, names the first mistake in one line, and says
what would run.

Every key, its type and its default follow. In a library `*` is the name of an entry, and the default that of the first entry in
`config.yaml` that has the key; an entry of `rewards` may also have any key of `rlhf`, for itself alone.
`python -m rewardscope reference` makes this file and `workflow/schemas/config.schema.yaml`.
"""


def keys() -> dict[str, dict]:
    """Dotted key -> JSON schema of every key, maps before what they hold: `rlhf.kl`, `models.*.sae.l1`, `pairs[].model`.

    Beside the schema's own words, `nullable` says whether the key may be empty, `holds` whether there are keys below it.
    """
    schema = Config.model_json_schema()
    return dict(list(_keys("", schema, schema["$defs"]))[1:])


def _keys(key: str, schema: dict, sections: dict) -> Iterator[tuple[str, dict]]:
    either = schema.get("anyOf", [schema])
    form = next(form for form in either if form != NULL)
    form = sections[form["$ref"].rsplit("/", 1)[1]] if "$ref" in form else form
    inner = {f"{key}.{name}".lstrip("."): value for name, value in form.get("properties", {}).items()}
    if form.get("additionalProperties"):
        inner[f"{key}.*"] = form["additionalProperties"]
    if "$ref" in form.get("items", {}):
        inner[f"{key}[]"] = form["items"]
    form = {**form, **{name: schema[name] for name in ("description", "default") if name in schema}}  # of the key, not of its section's class
    yield key, {**form, "nullable": NULL in either, "holds": bool(inner)}
    for place, value in inner.items():
        yield from _keys(place, value, sections)


def kind(form: dict) -> str:
    """The type of a key in words."""
    if values := form.get("enum", [form["const"]] if "const" in form else []):
        return ", ".join(f"`{value}`" for value in values)
    if form["type"] == "array":
        return f"list of two: {kind(form['prefixItems'][0])}" if "prefixItems" in form else f"list: {kind(form['items'])}"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = ", ".join(f"{sign} {form[name]:g}" for name, sign in signs.items() if form.get(name, MOST) != MOST)
    return f"{KINDS[form['type']]} {limits}".strip()


def default(key: str, form: dict, values: object) -> str:
    """The value of a key in config.yaml, as YAML; of a library's key that of the first entry that has it."""
    if form["holds"] or key.endswith(".like"):
        return ""
    given = next(_given(key.split("."), values), form.get("default"))
    text = yaml.safe_dump(given, default_flow_style=True, width=MOST).removesuffix("...\n").strip()
    return "" if given is None else f"`{text}`"


def _given(path: list[str], values: object) -> Iterator[object]:
    if not path:
        yield values
    elif isinstance(values, dict):
        part, *rest = path
        for value in values.values() if part == "*" else [values[part]] if part in values else []:
            yield from _given(rest, value)


def readme(values: dict) -> str:
    """config/README.md; `values`: config.yaml."""
    tables = {"Keys without a section": []}
    for key, form in keys().items():
        section = key.partition(".")[0].removesuffix("[]")
        if key == section and form["holds"]:
            title = f"`{section}`: {form['description']}"
            tables[title] = []
        elif key == section:
            tables["Keys without a section"].append(_row(key, form, values))
        elif not key.endswith(("*", "]")) and key.removeprefix("rewards.*.").split(".")[0] not in Rlhf.model_fields:
            tables[title].append(_row(key, form, values))
    head = "| key | type | default | meaning |\n|---|---|---|---|"
    return INTRODUCTION + "".join(f"\n## {title}\n\n{head}\n" + "\n".join(rows) + "\n" for title, rows in tables.items())


def _row(key: str, form: dict, values: dict) -> str:
    cells = f"`{key}`", kind(form) + ", or empty" * form["nullable"], default(key, form, values), form["description"]
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def columns() -> str:
    """docs/columns.md: what the columns of the workflow's tables are, as the report says it."""
    of = yaml.safe_load((Path(__file__).parents[1] / "report/tables.yaml").read_text(encoding="utf-8"))
    lines = [
        "# Columns of the tables",
        "",
        "What the report says under each table. In the names a * stands for any text. Made by `python -m rewardscope reference`.",
    ]
    for table, entries in of.items():
        about = entries.get("about", "")
        lines += ["", f"## {table if table == 'every table' else f'`{table}`'}", "", *([f"{about[0].upper()}{about[1:]}.", ""] if about else [])]
        lines += [f"- `{names}`: {says}" for names, says in entries.items() if names != "about"]
    return "\n".join(lines) + "\n"


def schema() -> str:
    """workflow/schemas/config.schema.yaml."""
    head = "# Made by `python -m rewardscope reference`: of the whole configuration, with overlays, `like:` and `rlhf:` merged into it.\n"
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}
    return head + yaml.safe_dump(whole, sort_keys=False, width=120)


def texts(project: Path) -> dict[str, str]:
    """File -> what it must hold."""
    return {README: readme(yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8"))), SCHEMA: schema(), COLUMNS: columns()}


def write(project: Path) -> None:
    """Write the files into a copy of the project."""
    for file, text in texts(project).items():
        (project / file).parent.mkdir(parents=True, exist_ok=True)
        (project / file).write_text(text, encoding="utf-8")
