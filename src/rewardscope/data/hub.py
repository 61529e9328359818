"""One commit of a model or data set of the Hugging Face hub, from the local hub cache or downloaded into it."""

import sys
from pathlib import Path
from typing import Literal

from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import disable_progress_bars

from rewardscope.errors import UserError, brief
from rewardscope.files import read_json

if not sys.stderr.isatty():
    disable_progress_bars()


def snapshot(name: str, revision: str | None, kind: Literal["model", "dataset"], files: list[str], skip: list[str] | None = None) -> tuple[Path, str]:
    """The folder of `name` at `revision` (by default main), and the commit that it is of.

    Only files that match a pattern of `files` and none of `skip` are fetched. Without a network, or with
    HF_HUB_OFFLINE=1, the local hub cache must hold the revision. Raises UserError where there is no such folder.
    """
    what = f"{name} at {revision}" if revision else name
    copy = "name a local copy instead, with " + ("path: (of a model) or rlhf: (of a pair)" if kind == "model" else "path:")
    try:
        folder = snapshot_download(name, repo_type=kind, revision=revision, allow_patterns=files, ignore_patterns=skip)
    except RevisionNotFoundError as error:
        raise UserError(f"the hub has no {kind} {what}; set revision to a branch, tag or commit of it") from error
    except RepositoryNotFoundError as error:
        raise UserError(f"the hub shows no {kind} {name}: check the name; for a private or gated one run `hf auth login`; or {copy}") from error
    except LocalEntryNotFoundError as error:
        raise UserError(f"{kind} {what} is not in the local hub cache, and the hub cannot be reached; {copy}") from error
    except Exception as error:  # of the network, the server or the disk: they share no base
        raise UserError(f"{kind} {what} cannot be downloaded ({type(error).__name__}: {brief(error)}); try again, or {copy}") from error
    return Path(folder), Path(folder).name  # .../snapshots/<commit>


def unchanged(source: dict, kind: Literal["model", "dataset"], record: str | Path | None) -> None:
    """Raises UserError where the hub gives another commit of a `source` (hub, revision, commit) than in `record`, an earlier one as JSON."""
    if not record or not Path(record).is_file():
        return
    old = read_json(record)
    same = all(old.get(key) == source[key] for key in ("hub", "revision"))
    if same and old["commit"] != source["commit"]:
        asked = source["revision"] or "main"
        pin = "revision:" + f", or in a pair rlhf: {source['hub']}@{old['commit']}" * (kind == "model")
        raise UserError(
            f"{source['hub']} at {asked} was commit {old['commit']} and is now {source['commit']}; "
            f"to keep the old one pin it ({pin}), to accept the new one delete {record}"
        )
