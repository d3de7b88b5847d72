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

from checkpoints import multimodal, tiny
from checkpoints.minilm import write_json
from checkpoints.onnx_folders import Toy
from engine.artifact.manifest import read_manifest

ROOT = Path(__file__).parents[3]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_the_only_token_let_in"


class Hub(http.server.BaseHTTPRequestHandler):
    """The calls a snapshot download makes: the model, its tree of files, a file's head, a file."""

    folders: dict[str, Path]
    """By their ids."""

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
        model = next(model for model in self.folders if f"/{model}/" in f"{name}/")
        files = {path.relative_to(self.folders[model]).as_posix(): path for path in _files(self.folders[model])}
        if "/tree/" in name:
            tree = [
                {"type": "file", "path": name, "size": path.stat().st_size, "oid": path.name}
                for name, path in files.items()
            ]
            content = json.dumps(tree).encode()
        elif name.startswith("/api/models/"):
            siblings = [{"rfilename": name} for name in files]
            content = json.dumps({"id": model, "sha": COMMIT, "siblings": siblings}).encode()
        else:
            content = files[name.split("/resolve/")[1].split("/", 1)[1]].read_bytes()
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


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def hub(tmp_path):
    folder = tiny.build("bert", tmp_path / "remote")
    Hub.folders = {"org/tiny": folder}
    (folder / "tf_model.h5").write_bytes(b"another framework's weights")
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

# What each of several models is opened as: its files, by where they are from, and where its configuration is.
OPENINGS = """
import json, sys
from pathlib import Path
from export.checkpoint.files import open_checkpoint
for number, model in enumerate(sys.argv[2:]):
    opened = open_checkpoint(model, None, {}, False, scratch=Path(sys.argv[1]) / str(number))
    folder = opened.folder.relative_to(opened.root).as_posix()
    print(json.dumps([opened.name, opened.source.revision, list(opened.source.weights), folder, opened.config]))
"""


def export(hub: http.server.ThreadingHTTPServer, cache: Path, *runs: Run, **environment: str) -> list[str]:
    """What each export of one process said, exit code included."""
    said = re.findall(
        r"(.*?exit code \d+)\n", python(hub, cache, EXPORTS, json.dumps(runs), **environment)[1], re.DOTALL
    )
    assert len(said) == len(runs)
    return said


def python(
    hub: http.server.ThreadingHTTPServer, cache: Path, code: str, *arguments: str, **environment: str
) -> tuple[str, str]:
    """What code printed and said in a process of its own."""
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    variables = {"HF_HOME": str(cache), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=os.environ | variables | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


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
    remote = Hub.folders["org/tiny"]
    config = json.loads((remote / "config.json").read_text())
    write_json(remote / "config.json", config | {"architectures": ["BertModel"]})
    for name in ("model", "model_fp16", "model_q4"):
        Toy().write(remote / "onnx" / f"{name}.onnx")
    (remote / "2_Dense").mkdir()
    (remote / "2_Dense" / "model.safetensors").write_bytes(b"a head's")
    cache = tmp_path / "cache"
    arguments = ["--from-onnx", "org/tiny", "--output", str(tmp_path)]
    (done,) = export(hub, cache, ({}, arguments), HF_TOKEN=TOKEN)
    assert done.endswith("exit code 0"), done
    source = read_manifest(tmp_path / "tiny").source
    assert (source.model, source.revision, list(source.weights)) == ("org/tiny", COMMIT, ["onnx/model.onnx"])
    snapshot = cache / "hub" / "models--org--tiny" / "snapshots" / COMMIT
    held = {path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()}
    assert {name for name in held if not name.endswith(".json")} == {"onnx/model.onnx", "2_Dense/model.safetensors"}


@pytest.mark.slow
def test_a_model_in_a_folder_of_its_own_and_an_adapter_with_its_base_are_downloaded(hub, tmp_path):
    clip = multimodal.build("clip-folder", tmp_path / "remotes")
    (clip / "0_CLIPModel" / "pytorch_model.bin").write_bytes(b"the same once more")
    adapter = multimodal.build("colqwen2-adapter", tmp_path / "remotes")
    settings = json.loads((adapter / "adapter_config.json").read_text())
    write_json(adapter / "adapter_config.json", settings | {"base_model_name_or_path": "org/colqwen2-base"})
    base = adapter.parent / "colqwen2-base"
    Hub.folders = {"org/clip": clip, "org/colqwen2-base": base, "org/colqwen2": adapter}
    cache = tmp_path / "cache"
    printed, _ = python(hub, cache, OPENINGS, str(tmp_path / "scratch"), "org/clip", "org/colqwen2", HF_TOKEN=TOKEN)
    opened_clip, opened_adapter = map(json.loads, printed.splitlines())
    assert opened_clip[:4] == ["clip", COMMIT, ["0_CLIPModel/model.safetensors"], "0_CLIPModel"]
    assert not list(cache.rglob("pytorch_model.bin"))
    weights = ["adapter_model.safetensors", "org/colqwen2-base/model.safetensors"]
    assert opened_adapter[:4] == ["colqwen2", COMMIT, weights, "."]
    assert opened_adapter[4] == json.loads((base / "config.json").read_text())
