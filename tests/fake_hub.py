"""A Hugging Face hub for tests: its local cache laid out by hand, or a server on this machine; nothing beyond it is asked."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from huggingface_hub import constants
from huggingface_hub.utils import close_session

FIRST, SECOND = "1" * 40, "2" * 40  # commits


def contents(folder: Path) -> dict[str, bytes]:
    """Files of a repository from those of a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def lay_out(cache: Path, kind: str, name: str, commit: str, files: dict[str, bytes], ref: str = "main") -> None:
    """What a download leaves behind: blobs by content, links to them in snapshots/<commit>, the commit in refs."""
    repository = cache / f"{kind}s--{name.replace('/', '--')}"
    for path, content in files.items():
        blob = repository / "blobs" / hashlib.sha256(content).hexdigest()
        link = repository / "snapshots" / commit / path
        for file in (blob, link):
            file.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        link.unlink(missing_ok=True)
        link.symlink_to(blob)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / ref).write_text(commit)


def connect(monkeypatch, cache: Path, endpoint: str | None = None) -> None:
    """Point the hub's client at a cache and at a server, or at no network (as HF_HUB_CACHE, HF_ENDPOINT, HF_HUB_OFFLINE do)."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", endpoint is None)
    if endpoint:
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    close_session()  # it has read whether there is a network


class Hub(BaseHTTPRequestHandler):
    """The three requests of a download: which commit, which files, a file."""

    refs: dict[str, str]  # revision -> commit
    commits: dict[str, dict[str, bytes]]
    name: str
    sent: list[str]

    def do_GET(self) -> None:
        parts = unquote(urlsplit(self.path).path).strip("/").removeprefix("api/").removeprefix("models/").removeprefix("datasets/")
        name, rest = parts[: len(self.name)], parts[len(self.name) :].strip("/")
        what, _, rest = rest.partition("/")
        revision, _, file = rest.partition("/")
        commit = self.refs.get(revision, revision)
        if name != self.name:
            self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif commit not in self.commits:
            self._answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        elif what == "revision":
            self._answer(200, json.dumps({"id": name, "sha": commit}).encode())
        elif what == "tree":
            files = self.commits[commit]
            listing = [{"type": "file", "path": p, "size": len(c), "oid": hashlib.sha1(c).hexdigest()} for p, c in files.items()]
            self._answer(200, json.dumps(listing).encode())
        else:
            content = self.commits[commit][file]
            etag = hashlib.sha1(content).hexdigest()
            self._answer(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": commit})
            if self.command == "GET":
                self.sent.append(file)

    do_HEAD = do_GET

    def _answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_) -> None:
        pass


@contextmanager
def serve(name: str, refs: dict[str, str], commits: dict[str, dict[str, bytes]]):
    """A hub with one repository; yields its address and the list of files that it has sent."""
    handler = type("Handler", (Hub,), {"name": name, "refs": refs, "commits": commits, "sent": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.sent
    finally:
        server.shutdown()
        server.server_close()
        close_session()
