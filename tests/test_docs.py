"""The documentation: its site holds every page, a link leads somewhere, a command is one that the command line takes."""

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest
import yaml
from snakemake.cli import get_argument_parser

from rewardscope.__main__ import parser
from rewardscope.config.types import Target
from rewardscope.errors import UserError

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", "config/README.md", "results/README.md", *(f"docs/{file.name}" for file in sorted(ROOT.glob("docs/*.md")))]
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
FENCED = re.compile(r"^ *```\w*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
READERS = {
    "mine.yaml",
    "config/mine.yaml",
    "config/adapter.yaml",
    "config/rewarded.yaml",
}  # overlays that the reader writes, or `init` writes for one


def commands(text: str, *first: str) -> list[list[str]]:
    """The words of each command of a page that begins with `first`: in its blocks and between its backticks."""
    blocks = "\n".join(FENCED.findall(text)).replace("\\\n", " ").splitlines()
    lines = [*blocks, *(code.replace("\n", " ") for code in re.findall(r"`([^`]+)`", FENCED.sub("", text)))]
    mine = [line.strip() for line in lines if re.match(rf"{' '.join(first)}( |$)", line.strip())]
    return [shlex.split(re.sub(r"[\[\]]", "", line) if " [" in line else line, comments=True)[len(first) :] for line in mine]


def every(*first: str) -> list:
    """Those of all pages, as cases of a test."""
    found = {" ".join(words): (page, words) for page, text in TEXTS.items() for words in commands(text, *first)}
    return [pytest.param(words, id=f"{page}: {line}") for line, (page, words) in found.items()]


def nav(entries: list) -> list[str]:
    return [page for entry in entries for value in entry.values() for page in (nav(value) if isinstance(value, list) else [value])]


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub and the site make it."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"`|\*", "", heading).lower()).strip().replace(" ", "-")


def test_the_site_holds_every_page_once():
    assert sorted(nav(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])) == sorted(PAGES)


def test_readme_comes_to_its_contents_within_a_screen_and_they_name_every_page():
    before, _, after = TEXTS["README.md"].partition("\n## Contents\n")
    assert len(before.splitlines()) <= 25
    assert {page for page in PAGES if f"]({page})" not in after.split("\n## ")[0]} == {"README.md"}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = re.sub(r"`[^`\n]*`", lambda code: code[0].strip("`"), FENCED.sub("", TEXTS[page]))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.is_file(), f"{page}: {link}"
        assert not anchor or anchor in map(slug, re.findall(r"^#+ (.*)", target.read_text(encoding="utf-8"), re.MULTILINE)), f"{page}: {link}"


@pytest.mark.parametrize("words", every("snakemake"))
def test_a_command_of_snakemake_is_one(words):
    """Its options are Snakemake's, its overlays and profile are there, its targets are what the config calls them, below its results folder."""
    asked = get_argument_parser().parse_args(words)
    for overlay in asked.configfile or []:
        assert str(overlay) in READERS or (ROOT / overlay).is_file()
    assert all((ROOT / profile / "config.yaml").is_file() for profile in asked.profile or [])
    folder = "results"
    for overlay in asked.configfile or []:
        mine = str(overlay) in READERS
        folder = f"results/{Path(overlay).stem}" if mine else yaml.safe_load((ROOT / overlay).read_text()).get("results", folder)
    for target in asked.targets:
        assert target.startswith(f"{folder}/"), f"{target} is not below {folder}"
        assert re.sub(r"\.(csv|html|png|svg)$", "", Path(target).name) in get_args(Target), target


@pytest.mark.parametrize("words", every("python", "-m", "rewardscope"))
def test_a_command_of_ours_is_one(words):
    parser().parse_args(words)


@pytest.mark.parametrize("words", every("python"))
def test_a_program_is_there(words):
    assert words[:1] in ([], ["-m"]) or (ROOT / words[0]).is_file()


@pytest.mark.parametrize("words", every("make"))
def test_a_target_of_make_is_there(words):
    named = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert set(word for word in words if "=" not in word) <= set(named)


def test_commands_are_found_and_mistakes_in_them_seen():
    page = "`snakemake -n\n--configfile a.yaml`\n```\npython -m rewardscope shwo a.csv  # a table\nsnakemake \\\n  --cores 2\n```\n"
    assert commands(page, "snakemake") == [["--cores", "2"], ["-n", "--configfile", "a.yaml"]]
    (wrong,) = commands(page, "python", "-m", "rewardscope")
    assert wrong == ["shwo", "a.csv"]
    with pytest.raises(UserError):
        parser().parse_args(wrong)
