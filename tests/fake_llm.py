"""A chat server for tests, on this machine: it answers prompts that it knows and fails a test on any other."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

CASES = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted((Path(__file__).parent / "inputs/answers").glob("*.json"))}
"""Responses that a chat server may send, each with its text, why it is none, and how often it is asked for."""
KEY = "sk-a-key-that-nobody-may-see"


class Server(ThreadingHTTPServer):
    """What it has seen: the bytes of every request, when, by which key, and how many it had at a time."""

    request_queue_size = 256
    daemon_threads = True

    def __init__(self, answers: Callable[[str], str | None], fault: Callable[[int, str], object], latency: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.fault, self.latency = answers, fault, latency
        self.number, self.lock = count(), threading.Lock()
        self.bodies: list[bytes] = []
        self.times: list[float] = []
        self.keys: set[str] = set()
        self.answered: list[str] = []
        self.unknown: list[str] = []
        self.now = self.most = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked, server = json.loads(body), self.server
        prompt = asked["messages"][-1]["content"]
        with server.lock:
            n = next(server.number)
            server.bodies.append(body)
            server.times.append(time.monotonic())
            server.keys.add(self.headers["Authorization"].removeprefix("Bearer "))
            server.now += 1
            server.most = max(server.most, server.now)
        try:
            time.sleep(server.latency)
            self._respond(asked, prompt, server.fault(n, prompt))
        finally:
            with server.lock:
                server.now -= 1

    def _respond(self, asked: dict, prompt: str, fault: object) -> None:
        text = self.server.answers(prompt)
        if text is None:
            self.server.unknown.append(prompt)
            self._send(400, {"error": {"message": "a prompt that this server does not know"}})
        elif fault is None:
            self.server.answered.append(prompt)
            self._send(200, completion(asked["model"], text))
        elif isinstance(fault, str) and fault in CASES:
            self.server.answered.append(prompt)
            self._send(200, CASES[fault]["response"])
        elif fault == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{")
            self.close_connection = True
        elif fault == "truncated":
            self._send(200, json.dumps(completion(asked["model"], text))[:-20])
        elif isinstance(fault, float):  # it hangs
            time.sleep(fault)
            self.close_connection = True
        else:
            self._send(*fault)

    def _send(self, status: int, content: object, headers: dict[str, str] | None = None) -> None:
        data = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_) -> None:
        pass


def completion(model: str, text: str | None, reason: str = "stop", **message) -> dict:
    """A response; every one says that it took 10 tokens read and 5 written."""
    return {
        "id": "x", "object": "chat.completion", "created": 0, "model": model,
        "choices": [{"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": text, **message}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }  # fmt: skip


@contextmanager
def serve(answers: Callable[[str], str | None], fault: Callable[[int, str], object] = lambda _n, _prompt: None, latency: float = 0.0):
    """Yields the server. `answers`: the text for a prompt, None for one that nobody should send.

    `fault(n, prompt)`: what goes wrong with the n-th request: None; `cut`; `truncated`; seconds to hang; a key of `CASES`, sent in
    place of the answer; or a status, a body and headers.
    """
    server = Server(answers, fault, latency)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server
        assert server.unknown == []
    finally:
        server.shutdown()
        server.server_close()
