"""`report.html`: one file that opens offline and runs nothing but its own script (a content security policy in it says so).

Text from data gets into the page in two ways: escaped by Jinja, or as JSON in a block that browsers do not run and that
the page's script puts in as text, never as markup. Neither brings a character that turns the text beside it.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from rewardscope.errors import UserError
from rewardscope.report.charts import number
from rewardscope.report.features import held
from rewardscope.text import plain

BLOCK = '<script type="application/json" id="data">'


def render(page: dict, data: dict) -> str:
    """The HTML of `page` (what the template shows) with `data` (what the feature browser reads: plain values, no nan).

    Raises ValueError for a nan in `data`: it is not JSON.
    """
    style, script, template = (files("rewardscope.report").joinpath(f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js", "html"))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":"), "ensure_ascii": False}  # tojson escapes <, >, & and '
    environment.filters |= {"number": number, "code": code}
    policy = f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; base-uri 'none'; form-action 'none'"
    html = environment.from_string(template).render(
        page=page, data=data, policy=policy, style=Markup(style), script=Markup(script), block=Markup(BLOCK)
    )
    return plain(html, keep="\n")


def code(text: str) -> Markup:
    """What stands between backticks, as code."""
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else escape(part) for i, part in enumerate(text.split("`")))


def _hash(text: str) -> str:
    """A source of the policy: the one inline script or style with this text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def read(file: str | Path) -> dict:
    """The data in a report; raises UserError where the file is none."""
    try:
        text = Path(file).read_text(encoding="utf-8")
        return json.loads(text.split(BLOCK)[1].split("</script>")[0])
    except (OSError, UnicodeDecodeError, IndexError, ValueError, RecursionError) as error:
        raise UserError(f"{file}: cannot be read as a report ({error})") from error


def features(addresses: list[str], file: str | Path) -> str:
    """Features as text, from the report that shows them.

    An address as in the report: `tiny/utility/run1/rlhf/layer3/seed1/feature115`. Raises UserError where it has none.
    """
    data = read(file)
    entries = {entry["id"]: entry for entry in data["features"]}
    if not addresses:
        raise UserError(
            f"which feature? An address as in the report, such as {next(iter(entries), 'MODEL/REWARD/run1/rlhf/layer3/seed1/feature115')}"
        )
    for address in addresses:
        if address not in entries:
            near = [name for name in entries if name.rsplit("/", 1)[0] == address.rsplit("/", 1)[0]] or list(entries)
            raise UserError(f"{file}: no feature {address} in it; there are {', '.join(near[:3])}{', ...' * (len(near) > 3)}")
    return "\n\n".join("\n".join(_lines(entries[address], data["tokens"][address.split("/")[0]])) for address in addresses)


def _lines(entry: dict, tokens: list[str]) -> Iterator[str]:
    yield entry["id"]
    if "norm" in entry:
        yield f"  crosscoder: alone {entry['alone']}, relative norm {entry['norm']}, nu {entry['nu'][0]} (error), {entry['nu'][1]} (reconstruction)"
    else:
        yield f"  place {entry['place']} of {entry['of']} by MMCS, cosine {entry['cosine']}" + "".join(
            f"; null ({kind}) {value} at this place" for kind, value in entry["null"].items()
        )
    yield from (f"  {plain(sentence)}" for sentence in (entry["on"], entry["makes"]) if sentence)
    for name, key in (("raises", "up"), ("lowers", "down")):
        yield f"  {name}: " + ", ".join(plain(token) + (f" [{value:+g}]" if value is not None else "") for token, _, value in entry[key])
    if "now" in entry:
        some = ", ".join(f"{plain(token)} {100 * before:.2g} to {100 * after:.2g} %" for token, before, after in entry["now"]["p"])
        yield f"  tuning changed where it fires ({entry['now']['n']} tokens that the models wrote): {some}"
    if "in" in entry:
        within, beyond = entry["change"]
        others = ", ".join(f"run{run}/seed{seed}/feature{feature}" for run, seed, feature in entry["same"])
        yield f"  one feature {held(entry)}: {others}; largest cosine with another SAE of their own side {within}, of the other side {beyond}"
    if entry.get("near"):
        yield f"  nearest on the other side, of all its SAEs: {entry['near']}, cosine {entry['nearCos']}"
    if "rate" in entry:
        yield "  fires on {:.2%} of tokens in base, {:.2%} in the tuned model".format(*entry["rate"])
    for name, value in entry.get("scores", {}).items():
        yield f"  score {plain(name)}: {value}"
    for window in entry["win"]:
        marked = "".join(f"«{tokens[t]}»" if v > 50 else tokens[t] for t, v in zip(window["t"], window["v"], strict=True))
        yield f"  {'ordinary' if window['m'] else 'strongest':>9}  {plain(marked)}"
