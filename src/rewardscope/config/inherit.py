"""Entries over those that they build on: `like:` within a library, rewards over `rlhf:`, twins over their true reward."""

from collections.abc import Mapping
from functools import reduce

from pydantic import ValidationError

from rewardscope.config.entries import Rlhf, Unrewarded, foreign
from rewardscope.config.types import unusable
from rewardscope.config.wording import LIBRARIES, show, unknown, where
from rewardscope.errors import UserError

CHAIN = 20  # entries, each `like` the next


class ConfigError(UserError, ValueError):
    """A mistake in the configuration; its message is one line: `config: `, the dotted key, what is wrong and right."""


def resolve(raw: Mapping) -> dict:
    """The config with each entry merged over what it is `like`, and each reward over `rlhf:`."""
    full = dict(raw)
    for section in LIBRARIES:
        if isinstance(raw.get(section), Mapping):
            for name in raw[section]:
                if why := unusable(name):
                    raise ConfigError(f"config: {where((section, name))} is not a usable name; {why}")
            full[section] = {name: _entry(section, raw[section], name) for name in raw[section]}
    if isinstance(rewards := full.get("rewards"), Mapping):  # a wrong `rlhf:` would be told again for each of them
        known = isinstance(raw.get("rlhf"), Mapping)
        full["rewards"] = {name: _merge(raw["rlhf"], _twin(entry, rewards)) for name, entry in rewards.items()} if known else {}
        _own_keys(raw, full["rewards"])
        full["rewards"] = _unrewarded(raw) | full["rewards"]
    return full


def _own_keys(raw: Mapping, rewards: Mapping) -> None:
    """Refuse a key of another method in an entry that says its method or that a pair names. What it inherits is no mistake: it is not read."""
    pairs = raw["pairs"] if isinstance(raw.get("pairs"), list | tuple) else []
    used = [pair.get("reward") for pair in pairs if isinstance(pair, Mapping)]
    for name, entry in raw["rewards"].items():
        if isinstance(entry, Mapping) and isinstance(rewards.get(name), Mapping) and ("method" in entry or name in used):
            for text in foreign(entry, rewards[name].get("method"), show(name)):
                raise ConfigError(f"config: rewards.{show(name)}{text}")


def _unrewarded(raw: Mapping) -> dict[str, Unrewarded]:
    """What stands for the reward of each pair that has a name; nothing where `rlhf:`, whose settings it has, is wrong itself."""
    pairs = raw.get("pairs")
    names = [pair.get("name") for pair in pairs if isinstance(pair, Mapping)] if isinstance(pairs, list | tuple) else []
    try:
        settings = dict(Rlhf.model_validate(raw.get("rlhf")))
    except ValidationError:
        return {}
    return {name: Unrewarded(**settings) for name in names if isinstance(name, str)}


def _twin(entry: object, rewards: Mapping) -> object:
    """A twin over the RLHF settings of its true reward."""
    true = rewards.get(entry.get("twin_of")) if isinstance(entry, Mapping) and isinstance(entry.get("twin_of"), str) else None
    if not isinstance(true, Mapping):
        return entry
    return _merge({key: value for key, value in true.items() if key in Rlhf.model_fields}, entry)


def _entry(section: str, library: Mapping, name: str) -> object:
    """An entry of a library, merged over the entries that it is `like`."""
    chain = [name]
    while isinstance(entry := library[chain[-1]], Mapping) and "like" in entry:
        base, key = entry["like"], where((section, chain[-1], "like"))
        if not isinstance(base, str):
            raise ConfigError(f"config: {key} is {show(base)}; it must be text, a name under {section}")
        if base not in library:
            raise ConfigError(f"config: {key}{unknown(base, section, library)}")
        if base in chain:
            raise ConfigError(f"config: {key} goes in a circle: {', '.join([*chain, base])}")
        chain.append(base)
        if len(chain) > CHAIN:
            key = where((section, name, "like"))
            raise ConfigError(f"config: {key} leads through more than {CHAIN} entries, each like the next; write out there what is meant")
    return reduce(_merge, [library[link] for link in reversed(chain)])


def _merge(base: object, over: object) -> object:
    """`over` over `base`: maps are merged at every depth, anything else is replaced."""
    if not (isinstance(base, Mapping) and isinstance(over, Mapping)):
        return over
    return {**base, **{key: _merge(base.get(key), value) for key, value in over.items()}}
