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
    nullable = {"type": "null"} in schema.get("anyOf", [])
    schema = _resolved(schema, kinds)
    for name, value in schema.get("properties", {}).items():
        yield from _leaves(f"{key}.{name}".lstrip("."), value, kinds)
    for mark, value in ((".*", schema.get("additionalProperties")), ("[]", schema.get("items"))):
        if value and "properties" in _resolved(value, kinds):
            yield from _leaves(key + mark, value, kinds)
            return
    if "properties" not in schema:
        yield key, {**schema, "nullable": nullable}


def _resolved(schema: dict, kinds: dict) -> dict:
    """The schema itself in place of a reference or of `... or null`."""
    [schema] = [s for s in schema["anyOf"] if s != {"type": "null"}] if "anyOf" in schema else [schema]
    return kinds[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema


def overlay(key: str, value: object, pair: dict) -> dict:
    """The overlay that sets a key; `*` is the entry that `pair`, the default config's, uses."""
    head, *rest = key.split(".")
    if head.startswith("pairs"):
        return {"pairs": [{**pair, rest[0]: value}]}
    for part in reversed([IN_USE[head] if part == "*" else part for part in rest]):
        value = {part: value}
    return {head: value}
