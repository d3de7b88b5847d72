"""Hub ids, against a local server that answers as the Hub does, and from the cache once it is gone."""

import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from checkpoints import tiny
from checkpoints.minilm import write_json
from checkpoints.onnx_folders import Toy
from engine.artifact import read_manifest

ROOT = Path(__file__).parents[3]
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
                {"type": "file", "path": name, "size": path.stat().st_size, "oid": path.name}
                for name, path in self._files().items()
            ]
            content = json.dumps(tree).encode()
        elif name.startswith("/api/models/org/tiny"):
            files = [{"rfilename": name} for name in self._files()]
            content = json.dumps({"id": "org/tiny", "sha": COMMIT, "siblings": files}).encode()
        else:
            content = (self.folder / name.split("/resolve/")[1].split("/", 1)[1]).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/json")
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if send_body:
            self.wfile.write(content)

    def _files(self) -> dict[str, Path]:
        return {path.relative_to(self.folder).as_posix(): path for path in self.folder.rglob("*") if path.is_file()}

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


# Imports take longer than what is tested here, so a process runs several exports, each after some variables change.
EXPORTS = """
import json, os, sys
from export.__main__ import main
for variables, arguments in json.loads(sys.argv[1]):
    os.environ.update(variables)
    print(f"exit code {main(arguments)}", file=sys.stderr)
"""
Run = tuple[dict[str, str], list[str]]


def export(hub: http.server.ThreadingHTTPServer, cache: Path, *runs: Run, **environment: str) -> list[str]:
    """What each export of one process said, exit code included."""
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    variables = {"HF_HOME": str(cache), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", EXPORTS, json.dumps(runs)],
        cwd=ROOT,
        env=os.environ | variables | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = re.findall(r"(.*?exit code \d+)\n", done.stderr, re.DOTALL)
    assert len(said) == len(runs)
    return said


@pytest.mark.slow
def test_a_hub_id_is_downloaded_with_the_environments_token_and_found_in_the_cache_later(hub, tmp_path):
    cache, output = tmp_path / "cache", ["--output", str(tmp_path)]
    # Refused once the checkpoint is there and read.
    downloaded = ["org/tiny", "--revision", "main", "--max-length", "9999", *output]
    runs = ({"HF_TOKEN": "hf_wrong"}, ["org/tiny", *output]), ({"HF_TOKEN": TOKEN}, downloaded)
    refused, done = export(hub, cache, *runs)
    assert "The Hub has no model org/tiny that you may read" in refused
    assert "--max-length must be from 8 to 512" in done
    assert not list(cache.rglob("tf_model.h5"))

    hub.shutdown()
    hub.server_close()
    runs = ({}, ["org/tiny", *output]), ({}, ["org/other", *output])
    offline, missing = export(hub, cache, *runs, HF_HUB_OFFLINE="1")
    assert offline.endswith("exit code 0"), offline
    manifest = read_manifest(tmp_path / "tiny")
    assert (manifest.source.model, manifest.source.revision) == ("org/tiny", COMMIT)
    assert "is not in the local cache and the Hub could not be reached" in missing
    assert missing.endswith("exit code 2")


@pytest.mark.slow
def test_graphs_are_downloaded_without_other_graphs_and_without_the_weights_they_were_made_of(hub, tmp_path):
    config = json.loads((Hub.folder / "config.json").read_text())
    write_json(Hub.folder / "config.json", config | {"architectures": ["BertModel"]})
    for name in ("model", "model_fp16", "model_q4"):
        Toy().write(Hub.folder / "onnx" / f"{name}.onnx")
    (Hub.folder / "2_Dense").mkdir()
    (Hub.folder / "2_Dense" / "model.safetensors").write_bytes(b"a head's")
    cache = tmp_path / "cache"
    arguments = ["--from-onnx", "org/tiny", "--output", str(tmp_path)]
    (done,) = export(hub, cache, ({}, arguments), HF_TOKEN=TOKEN)
    assert done.endswith("exit code 0"), done
    source = read_manifest(tmp_path / "tiny").source
    assert (source.model, source.revision, list(source.weights)) == ("org/tiny", COMMIT, ["onnx/model.onnx"])
    snapshot = cache / "hub" / "models--org--tiny" / "snapshots" / COMMIT
    held = {path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()}
    assert {name for name in held if not name.endswith(".json")} == {"onnx/model.onnx", "2_Dense/model.safetensors"}
