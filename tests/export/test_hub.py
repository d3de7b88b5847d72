"""Hub ids, against a local server that answers as the Hub does, and from the cache once it is gone."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.artifact import read_manifest
from tests import tiny

ROOT = Path(__file__).parents[2]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_the_only_token_let_in"


class Hub(http.server.BaseHTTPRequestHandler):
    """The calls a snapshot download makes: the model, its tree of files, a file's head, a file."""

    folder: Path

    def do_HEAD(self) -> None:
        self._answer(send_body=False)

    def do_GET(self) -> None:
        self._answer(send_body=True)

    def _answer(self, send_body: bool) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.send_response(401)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        name = self.path.split("?")[0]
        if "/tree/" in name:
            tree = [
                {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": path.name}
                for path in self.folder.iterdir()
            ]
            content = json.dumps(tree).encode()
        elif name.startswith("/api/models/org/tiny"):
            files = [{"rfilename": path.name} for path in self.folder.iterdir()]
            content = json.dumps({"id": "org/tiny", "sha": COMMIT, "siblings": files}).encode()
        else:
            content = (self.folder / name.rsplit("/", 1)[-1]).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/json")
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if send_body:
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path):
    Hub.folder = tiny.build("bert", tmp_path / "remote")
    (Hub.folder / "tf_model.h5").write_bytes(b"another framework's weights")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def export(cache: Path, output: Path, endpoint: str, *options: str, **environment: str):
    variables = {"HF_HOME": str(cache), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, "-m", "export", "org/tiny", "--output", str(output), *options],
        cwd=ROOT,
        env=os.environ | variables | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_hub_id_is_downloaded_with_the_environments_token_and_found_in_the_cache_later(hub, tmp_path):
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    refused = export(tmp_path / "empty", tmp_path, endpoint, HF_TOKEN="hf_wrong")
    assert refused.returncode == 2
    assert "The Hub has no model org/tiny that you may read" in refused.stderr

    cache = tmp_path / "cache"
    done = export(cache, tmp_path, endpoint, "--revision", "main", HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    manifest = read_manifest(tmp_path / "tiny")
    assert (manifest.source.model, manifest.source.revision) == ("org/tiny", COMMIT)
    assert not list(cache.rglob("tf_model.h5"))

    hub.shutdown()
    hub.server_close()
    offline = export(cache, tmp_path / "offline", endpoint, HF_HUB_OFFLINE="1")
    assert offline.returncode == 0, offline.stderr
    missing = export(tmp_path / "empty", tmp_path / "offline", endpoint, "--force", HF_HUB_OFFLINE="1")
    assert missing.returncode == 2
    assert "is not in the local cache and the Hub could not be reached" in missing.stderr
