"""A hub of Hugging Face in a few routes: a repository is created, gets a commit of files, and is downloaded."""

import base64
import hashlib
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

SHA = "c" * 40


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Hub"

    def do_POST(self):
        body = self._body()
        self.server.asked.append(("POST", self.path, self.headers.get("Authorization")))
        if self.path == "/api/repos/create":
            name = json.loads(body)["name"]
            self._say({"url": f"{self.server.address}/somebody/{name}", "name": f"somebody/{name}"})
        elif self.path == "/api/validate-yaml":
            self._say({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            self._say({"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]})
        elif "/commit/" in self.path:
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    self.server.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            self._say(
                {"commitUrl": f"{self.server.address}/somebody/clicks/commit/{SHA}", "commitOid": SHA, "success": True}
            )
        else:
            self._say({"error": f"no {self.path}"}, 404)

    def do_GET(self):
        self._read(with_body=True)

    def do_HEAD(self):
        self._read(with_body=False)

    def _read(self, *, with_body):
        path = self.path.partition("?")[0]
        self.server.asked.append((self.command, path, self.headers.get("Authorization")))
        name = path.rpartition("/")[2]
        if "/tree/" in path:
            ids = {file: hashlib.sha1(content).hexdigest() for file, content in self.server.files.items()}
            sizes = {file: len(content) for file, content in self.server.files.items()}
            return self._say([{"type": "file", "path": f, "size": sizes[f], "oid": ids[f]} for f in ids])
        if path.startswith("/api/models/"):
            files = [{"rfilename": file} for file in self.server.files]
            return self._say({"id": "somebody/clicks", "sha": SHA, "siblings": files, "private": False, "tags": []})
        if "/resolve/" not in path or name not in self.server.files:
            return self._say({"error": f"no {path}"}, 404)
        content = self.server.files[name]
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", SHA)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)
        return None

    def _body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _say(self, content, status=200):
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_):
        """Be silent."""


class _Hub(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str, str | None]] = []


@contextmanager
def hub():
    """The hub, at `address`; `files`: what the repository holds, by name; `asked`: every request."""
    server = _Hub()
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
