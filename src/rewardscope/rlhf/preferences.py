"""Preferences: pairs of a better and a worse response to a prompt, as token ids; read from a file, or made by ranking samples of the base model."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from trl import apply_chat_template, extract_prompt, is_conversational

from rewardscope.data import rows
from rewardscope.errors import UserError
from rewardscope.rewards.rewards import Reward
from rewardscope.rlhf import trainers
from rewardscope.run.job import log
from rewardscope.seeds import derive

ROUNDS = 4  # draws of prompts at most, to replace pairs of equal reward


class Pair(NamedTuple):
    """A prompt and two responses to it, token ids."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]


def made(model, tokenizer, draw, count: int, reward: Reward, settings: dict, pad: int, seed: int) -> list[Pair]:
    """`count` pairs: two samples of the model to each prompt, the one with the larger reward is chosen. `draw(n)` gives n prompts.

    Samples that earn the same say nothing: others are drawn in their place, in `ROUNDS` rounds at most. What is then short is filled
    with such pairs as they were drawn, by lot: of a reward that is the same for every text, all.
    """
    prompts, better, equal = draw(ROUNDS * count), [], []
    for turn in range(ROUNDS):
        part = prompts[turn * count : (turn + 1) * count]
        sides = [trainers.sample(model, part, settings, pad, tokenizer.eos_token_id, derive(seed, turn, side)) for side in (0, 1)]
        earned = [trainers.judged(reward, tokenizer, part, side, settings["reward_on"]) for side in sides]
        for prompt, one, two, first, second in zip(part, *sides, *earned, strict=True):
            (better if first != second else equal).append(Pair(prompt, one, two) if first >= second else Pair(prompt, two, one))
        if len(better) >= count:
            break
    if len(better) < count:
        log.warning("only %d of %d pairs of samples earn different rewards; of the others one is chosen by lot", len(better), count)
    return (better + equal)[:count]


def read(settings: dict, tokenizer) -> list[Pair]:
    """The pairs of a file: `prompt`, `chosen` and `rejected`, texts or lists of messages, which the tokenizer's chat template makes texts of.

    Without a column of prompts the prompt is what both begin with. An end token closes each response that is not cut at `tokens`.
    Raises UserError, naming the file and the row.
    """
    file, names = settings["path"], {key: settings[key] for key in ("prompt", "chosen", "rejected") if settings.get(key)}
    pairs, left_out = [], 0
    for number, row in _rows(file, list(names.values())).items():
        texts = _texts({key: row[name] for key, name in names.items()}, tokenizer, f"{file}, row {number}", names)
        prompt, *whole = ([*tokenizer(text)["input_ids"]] for text in texts)
        ends = [tokenizer.eos_token_id] * (tokenizer.eos_token_id is not None)
        sides = [(ids[len(prompt) :] + (ends if ids[-1:] != ends else []))[: max(0, settings["tokens"] - len(prompt))] for ids in whole]
        if any(ids[: len(prompt)] != prompt for ids in whole):  # the prompt's last token goes on into the response
            responses = [tokenizer(text[len(texts[0]) :], add_special_tokens=False)["input_ids"] + ends for text in texts[1:]]
            sides = [ids[: max(0, settings["tokens"] - len(prompt))] for ids in responses]
        if prompt and all(sides) and sides[0] != sides[1]:
            pairs.append(Pair(prompt, *sides))
        else:
            left_out += 1
    if left_out:
        log.warning("%s: %d of %d pairs are left out: no prompt, no room for a response, or two equal ones", file, left_out, left_out + len(pairs))
    if not pairs:
        raise UserError(f"{file}: none of its {left_out} pairs has a prompt and two responses that differ within {settings['tokens']} tokens")
    return pairs


def _rows(file: str, columns: list[str]) -> dict[int, dict]:
    """The rows of a Parquet or JSONL file by their number, the columns alone; UserError where they are not all there, or there twice."""
    pick = lambda names, where: rows.wanted(names, columns, where, "; rlhf.dpo.preferences names its columns (prompt, chosen, rejected)")
    if Path(file).suffix == ".jsonl":
        return rows.picked(file, rows.text_of(file), pick, None)
    held = {}
    for number, row in enumerate(rows.parquet(file, pick).to_batches(max_chunksize=1), start=1):
        try:
            held[number] = row.to_pylist()[0]
        except UnicodeDecodeError as error:
            raise UserError(f"{file}, row {number}: not UTF-8; write the file again as UTF-8") from error
    return held


def _texts(row: dict, tokenizer, place: str, names: dict[str, str]) -> tuple[str, str, str]:
    """Prompt, prompt with the chosen response, prompt with the rejected one, as texts."""
    for key, value in row.items():
        messages = isinstance(value, list) and value and all(isinstance(m, dict) and {"role", "content"} <= m.keys() for m in value)
        if not isinstance(value, str) and not messages:
            raise UserError(f"{place}: {names[key]} is {value!r:.40}; it must be text, or a list of messages with role and content")
    if len({isinstance(value, str) for value in row.values()}) > 1:
        raise UserError(f"{place}: {', '.join(names.values())} must all be text, or all be lists of messages")
    row = row if "prompt" in row else extract_prompt(row)
    if is_conversational(row):
        if not tokenizer.chat_template:
            raise UserError(f"{place}: messages need a chat template, and the model's tokenizer has none; give texts")
        row = apply_chat_template(row, tokenizer)
    return tuple(rows.savable(text, place) for text in (row["prompt"], row["prompt"] + row["chosen"], row["prompt"] + row["rejected"]))


def in_order(pairs: list[Pair], count: int, seed: int) -> list[Pair]:
    """`count` of the pairs: all of them once, in a random order, then again in another."""
    rng, out = np.random.default_rng(seed), []
    while len(out) < count:
        out += [pairs[i] for i in rng.permutation(len(pairs))]
    return out[:count]
