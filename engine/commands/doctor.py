"""Runs `python -m engine doctor`, which says what this machine can run, and what is installed."""

import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import __version__
from ..command import DONE, Parser, carry_out
from ..errors import ScoreRTError
from ..extras import EXTRAS, install, missing, needing
from ..runtime.machine.cores import allowed, cores, quota
from ..runtime.machine.memory import memory
from ..runtime.machine.processor import instructions, multiplies_bfloat16, multiplies_eight_bits, processor
from .facts import as_json, beside, size

_LIBRARIES = (
    *("onnxruntime", "onnxruntime-gpu", "cupy-cuda13x", "numpy", "tokenizers", "msgspec", "starlette", "uvicorn"),
    *("pillow", "torch", "transformers", "onnx", "onnxscript", "onnx-ir", "optimum-onnx"),
)
_PROVIDERS = ("cpu", "cuda", "tensorrt")
_MODELS = Path("models")


def main(arguments: Sequence[str], command: str) -> int:
    """Print what is here. `command` is what the user typed before the arguments. Returns the exit code, 0."""

    def work() -> int:
        options = _parser(command).parse_args(arguments)
        facts = examine(f"`{command}`")
        print(as_json(facts) if options.json else beside(_told(facts)))
        return DONE

    return carry_out(work, (), "nothing was changed.")


def _parser(command: str) -> Parser:
    parser = Parser(
        command,
        "Say what this machine can run: versions, providers that start, the processor's instructions, cores, memory "
        "and their limits, what is installed and how to install the rest, and the artifacts in ./models.",
        examples=["--json"],
    )
    parser.add_argument("--json", action="store_true", help="print the same as JSON")
    return parser


def examine(command: str) -> dict[str, Any]:
    """What is here; `command` is what sentences about what is not installed begin with. Sizes are in bytes.

    Nothing but Python is needed for it.
    """
    own = quota()
    return {
        "scorert": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "libraries": {name: version for name in _LIBRARIES if (version := _version(name)) is not None},
        "providers": _providers(command),
        "processor": {
            "name": processor(),
            "instructions": instructions(),
            "multiplies_eight_bits": multiplies_eight_bits(),
            "multiplies_bfloat16": multiplies_bfloat16(),
        },
        "cores": {"used": cores(), "allowed": allowed(), "quota": None if math.isinf(own) else own},
        "memory": memory(),
        "descriptors": _descriptors(),
        "extras": {name: _extra(name) for name in EXTRAS},
        "artifacts": [_artifact(path, command) for path in sorted(_MODELS.glob("*/manifest.json"))],
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _providers(command: str) -> dict[str, dict[str, Any]]:
    """Of each whether it starts, and a sentence where it does not."""
    return {name: {"starts": (reason := _not_starting(name, command)) is None, "reason": reason} for name in _PROVIDERS}


def _not_starting(name: str, command: str) -> str | None:
    try:
        with needing(command, "cpu", "gpu"):
            from ..runtime.devices.providers import installed
            from ..runtime.devices.starting import check_start
        found = [provider for provider in installed() if provider.name == name]
        if not found:
            return "not in the ONNX Runtime that is installed: the extra gpu brings another."
        check_start(found[0])
    except ScoreRTError as error:
        return str(error)
    return None


def _descriptors() -> dict[str, int | None]:
    """How many files and connections may be open at once, and how many `ulimit -n` may allow."""
    try:
        import resource
    except ImportError:  # not on Windows
        return {"limit": None, "most": None}
    limit, most = (None if own == resource.RLIM_INFINITY else own for own in resource.getrlimit(resource.RLIMIT_NOFILE))
    return {"limit": limit, "most": most}


def _extra(name: str) -> dict[str, Any]:
    lacks = missing(name)
    return {"for": EXTRAS[name], "installed": not lacks, "missing": lacks, "install": install(name) if lacks else None}


def _artifact(path: Path, command: str) -> dict[str, Any]:
    folder = path.parent
    try:
        with needing(command, "cpu", "gpu"):
            from ..artifact.manifest import decode_manifest
        manifest = decode_manifest(folder)
    except ScoreRTError as error:
        return {"folder": str(folder), "error": str(error)}
    return {
        "folder": str(folder),
        "name": manifest.name,
        "score_type": manifest.score_type,
        "precisions": list(dict.fromkeys(graph.precision for graph in manifest.graphs)),
        "size": sum(file.size for file in manifest.files.values()),
    }


def _told(facts: Mapping[str, Any]) -> Iterator[tuple[str, str | list[str]]]:
    yield "ScoreRT", f"{facts['scorert']}, Python {facts['python']}, {facts['system']}"
    yield "libraries", ", ".join(f"{name} {version}" for name, version in facts["libraries"].items())
    for number, (name, provider) in enumerate(facts["providers"].items()):
        yield ("providers" if number == 0 else ""), f"{name}: {'starts' if provider['starts'] else provider['reason']}"
    yield "processor", facts["processor"]["name"]
    yield "", _instructions(facts["processor"])
    yield "cores", _cores(facts["cores"])
    yield "memory", _memory(facts["memory"])
    limit, most = facts["descriptors"].values()
    yield "descriptors", f"{_count(limit)} may be open at once; `ulimit -n` may raise that to {_count(most)}"
    for number, (name, extra) in enumerate(facts["extras"].items()):
        yield ("extras" if number == 0 else ""), f"{name}, to {extra['for']}: {_installed(extra)}"
    yield "artifacts", [_listed(artifact) for artifact in facts["artifacts"]] or f"none in ./{_MODELS}"


def _instructions(own: Mapping[str, Any]) -> str:
    eight = "fast in 8 bits" if own["multiplies_eight_bits"] else "without those for 8 bits, where int8 gains little"
    half = "" if own["multiplies_bfloat16"] else ", without those for bfloat16"
    return f"{' '.join(own['instructions']) or 'instructions unknown'}: {eight}{half}"


def _cores(own: Mapping[str, Any]) -> str:
    limit = "no quota" if own["quota"] is None else f"a quota of {own['quota']:g}"
    return f"{own['used']} are used: {own['allowed']} are allowed, {limit}"


def _memory(own: Mapping[str, int | None]) -> str:
    parts = {
        "in the machine": own["machine"],
        "available": own["available"],
        "is the limit of the control group": own["limit"],
    }
    told = [f"{size(count)} {what}" for what, count in parts.items() if count is not None]
    return ", ".join(told + ([] if own["limit"] is not None else ["no limit of a control group"]))


def _count(number: int | None) -> str:
    return "any number" if number is None else f"{number:,}"


def _installed(extra: Mapping[str, Any]) -> str:
    return "installed" if extra["installed"] else f"lacks {', '.join(extra['missing'])}; run `{extra['install']}`"


def _listed(artifact: Mapping[str, Any]) -> str:
    if "error" in artifact:
        return str(artifact["error"])
    precisions = ", ".join(artifact["precisions"])
    return (
        f"{artifact['folder']}: {artifact['name']}, a {artifact['score_type']}, {precisions}, {size(artifact['size'])}"
    )
