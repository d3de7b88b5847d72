"""Opens all contenders, by the names that the report has for them."""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from checkpoints.minilm import build_minilm_ce
from engine import Engine
from engine.runtime.machine.processor import multiplies_bfloat16
from scripts.server import start_server

from . import contenders, peers
from .contenders import Scorer
from .floating_point import float32_products
from .speed import Contender

CACHE = Path(".bench")
PRECISIONS = ("fp32", "int8", "int8-fast")
# Its graph is for GPUs: on a CPU its ranks say something, and its speed nothing.
ON_GPUS = "fp16"
CLIENTS = (1, 8)
BASELINE = "one padded batch, fp32"
PRODUCTS = "float32 products of as many operations"
QUANTIZED_LIBRARY = "sentence-transformers, onnx int8"


def in_process(precision: str, clients: int) -> str:
    return f"in process, {precision}, {_count(clients, 'thread')}"


def over_http(server: str, clients: int) -> str:
    return f"HTTP, {server}, {_count(clients, 'client')}"


def library(dtype: str) -> str:
    return f"sentence-transformers, {dtype}"


def checkpoint_and_artifact() -> tuple[Path, Path]:
    """The contract's cross-encoder, exported unless that was done with the exporter as it is now."""
    checkpoint = CACHE / "minilm-ce"
    if not checkpoint.exists():
        build_minilm_ce(checkpoint)
    artifact = CACHE / "artifacts" / checkpoint.name
    manifest = artifact / "manifest.json"
    sources = [*Path("export").rglob("*.py"), *Path("engine").rglob("*.py")]
    if not manifest.exists() or manifest.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        arguments = ["--precision", ",".join([*PRECISIONS, ON_GPUS]), "--output", str(artifact.parent), "--force"]
        if code := subprocess.run([sys.executable, "-m", "export", str(checkpoint), *arguments]).returncode:
            sys.exit(code)
    return checkpoint, artifact


def own_servers(artifact: Path, at_exit: ExitStack) -> dict[str, Scorer]:
    """A server for each precision, until `at_exit`."""
    logs = Path(at_exit.enter_context(tempfile.TemporaryDirectory()))
    scorers = {}
    for precision in PRECISIONS:
        server = start_server(logs / precision, "--port", "0", "--model", str(artifact), "--precision", precision)
        at_exit.callback(server.stop)
        scorers[precision] = contenders.over_http(server.url)
    return scorers


def libraries(checkpoint: Path) -> dict[str, Scorer]:
    """sentence-transformers in float32, and in bfloat16 where the processor multiplies it."""
    dtypes = ["float32", "bfloat16"] if multiplies_bfloat16() else ["float32"]
    return {library(dtype): contenders.sentence_transformers(checkpoint, dtype) for dtype in dtypes}


def others(
    checkpoint: Path, at_exit: ExitStack, missing: dict[str, str]
) -> tuple[dict[str, Scorer], dict[str, Scorer]]:
    """The peers' servers, and the library that is not in this environment; `missing` gets the reasons for which any of
    them are not there."""
    folder = CACHE / "peers"
    scorers: dict[str, Scorer] = {}
    made: dict[str, Scorer] = {}
    served = [(peer, checkpoint) for peer in peers.servers()]
    try:
        made[QUANTIZED_LIBRARY] = peers.quantized_sentence_transformers(checkpoint, folder, at_exit)
        served.append((peers.server_of_onnx(), peers.onnx_checkpoint(checkpoint, folder)))
    except peers.PeerError as error:
        missing[QUANTIZED_LIBRARY] = missing[peers.server_of_onnx().name] = str(error)
    for peer, model in served:
        try:
            scorers[peer.name] = peers.serve(peer, model, folder, at_exit)
        except peers.PeerError as error:
            missing[peer.name] = str(error)
    return scorers, made


def contenders_of(
    artifact: Path,
    operations: Mapping[str, float],
    engines: Mapping[str, Engine],
    servers: Mapping[str, Scorer],
    others: Mapping[str, Scorer],
) -> list[Contender]:
    """Engines and servers at each number of clients; the padded batch and the libraries, which take one at a time; and
    the machine itself, by the operations of each query's request. Those that are compared are near one another."""
    contending = [Contender(name, score, 1) for name, score in others.items()]
    for clients in CLIENTS:
        contending += [Contender(over_http(name, clients), score, clients) for name, score in servers.items()]
        contending += [
            Contender(in_process(precision, clients), contenders.in_process(engine), clients)
            for precision, engine in engines.items()
        ]
    return [
        *contending,
        Contender(PRODUCTS, float32_products(operations), 1),
        Contender(BASELINE, contenders.padded_batch(artifact, engines["fp32"].manifest), 1),
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
