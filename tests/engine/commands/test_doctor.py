"""What `doctor` says is what is here, also where next to nothing is installed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.extras import EXTRAS
from engine.runtime.machine.cores import cores
from engine.runtime.machine.memory import memory
from engine.runtime.machine.processor import instructions, multiplies_bfloat16, multiplies_eight_bits, processor
from tests.engine.test_extras import run_without

ROOT = Path(__file__).parents[3]


def test_what_is_here() -> None:
    limited = ["bash", "-c", 'ulimit -Sn 200 && ulimit -Hn 300 && exec "$@"', "bash"]
    command = [*limited, sys.executable, "-m", "engine", "doctor", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["libraries"]["onnxruntime"]
    assert facts["providers"]["cpu"] == {"starts": True, "reason": None}
    assert facts["cores"]["used"] == cores()
    assert facts["cores"]["allowed"] == len(os.sched_getaffinity(0))
    assert facts["memory"]["machine"] == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert facts["descriptors"] == {"limit": 200, "most": 300}
    assert list(facts["extras"]) == list(EXTRAS)
    assert facts["extras"]["parquet"] == {
        "for": "index Parquet files",
        "installed": True,
        "missing": [],
        "install": None,
    }
    assert {own["folder"]: own["precisions"] for own in facts["artifacts"]}["models/all-MiniLM-L6-v2"] == ["int8"]


def test_the_same_in_words(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for words in (r"providers +cpu: starts\n", rf"cores +{cores()} are used", r"artifacts +none in \./models\n"):
        assert re.search(words, said), said
    shutil.copytree(ROOT / "models" / "all-MiniLM-L6-v2", tmp_path / "models" / "a")
    (tmp_path / "models" / "b").mkdir()
    (tmp_path / "models" / "b" / "manifest.json").write_text("{")
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "models/a: all-MiniLM-L6-v2, a bi-encoder, int8, 23.7 MB" in said
    assert "models/b/manifest.json cannot be read" in said


@pytest.mark.parametrize("package", ["onnxruntime", "numpy"])
def test_what_cannot_run_says_what_installs_it(package: str) -> None:
    done = run_without(package, "doctor", "--json")
    assert done.returncode == 0, done.stderr
    cpu = json.loads(done.stdout)["providers"]["cpu"]
    assert not cpu["starts"]
    assert re.search(r"needs what is not installed here .*`pip install .*\.\[cpu\]\"`", cpu["reason"])


V1 = {"memory/pod/memory.limit_in_bytes": "1000000\n", "memory/memory.limit_in_bytes": "9223372036854771712\n"}


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        ("0::/\n", {"memory.max": "2000000\n"}, 2_000_000),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("0::/pod/a\n", {"pod/a/memory.max": "max\n", "pod/memory.max": "3000000\n"}, 3_000_000),
        ("4:memory:/pod\n0::/\n", V1, 1_000_000),
        ("4:memory:/\n0::/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ("", {}, None),
    ],
)
def test_memory_limits_of_both_versions(tmp_path: Path, groups: str, files: dict[str, str], limit: int | None) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups)
    (tmp_path / "proc/meminfo").write_text("MemTotal:       4000 kB\nMemFree: 1 kB\nMemAvailable:   3000 kB\n")
    for name, content in files.items():
        file = tmp_path / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    assert memory(tmp_path) == {"machine": 4_096_000, "available": 3_072_000, "limit": limit}


@pytest.mark.parametrize(
    ("flags", "found", "eight", "half"),
    [
        ("fpu avx2", ["avx2"], False, False),
        ("avx512_bf16 avx2 avx512_vnni", ["avx2", "avx512_vnni", "avx512_bf16"], True, True),
        ("avx2 avx_vnni", ["avx2", "avx_vnni"], True, False),
        ("asimd asimddp", ["asimddp"], True, False),
    ],
)
def test_instructions(tmp_path: Path, flags: str, found: list[str], eight: bool, half: bool) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(f"model name\t: A Processor\nflags\t\t: {flags}\n")
    assert instructions(tmp_path) == found
    assert (multiplies_eight_bits(tmp_path), multiplies_bfloat16(tmp_path)) == (eight, half)
    assert processor(tmp_path) == "A Processor"
    assert instructions(tmp_path / "no") == []
