"""The keys of the config, as its schema has them."""
from rewardscope.config import Config

IN_USE = {"corpora": "reviews", "models": "tiny", "rewards": "utility", "sae_recipes": "paper"}  # by the default pair


def leaves() -> dict[str, dict]:
    """Dotted key -> JSON schema of every key that holds no further ones: `rlhf.kl`, `models.*.sae.l1`, `pairs[].model`.

    `nullable` beside the schema's own words says whether the key may be empty.
    """
    schema = Config.model_json_schema()
    return dict(_leaves("", schema, schema["$defs"]))


def _leaves(key: str, schema: dict, kinds: dict):
    either = schema.get("anyOf", [schema])
    for form in (form for form in either if form != {"type": "null"}):
        form = kinds[form["$ref"].rsplit("/", 1)[1]] if "$ref" in form else form
        inner = {f"{key}.{name}".lstrip("."): value for name, value in form.get("properties", {}).items()}
        if form.get("additionalProperties"):
            inner[f"{key}.*"] = form["additionalProperties"]
        if "$ref" in form.get("items", {}):
            inner[f"{key}[]"] = form["items"]
        for place, value in inner.items():
            yield from _leaves(place, value, kinds)
        if not inner:
            yield key, {**form, "nullable": {"type": "null"} in either}


def overlay(key: str, value: object, pair: dict) -> dict:
    """The overlay that sets a key; `*` is the entry that `pair`, the default config's, uses."""
    head, *rest = key.split(".")
    if head.startswith("pairs"):
        return {"pairs": [{**pair, rest[0]: value}]}
    for part in reversed([IN_USE[head] if part == "*" else part for part in rest]):
        value = {part: value}
    return {head: value}
