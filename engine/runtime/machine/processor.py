"""Names the processor, and the instructions of it that decide how fast matrix products are."""

import os
import platform
import re
from pathlib import Path

from .control_groups import read

# As Linux names them, in the order they appeared.
_INSTRUCTIONS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm")
_EIGHT_BIT = {"avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm"}
_BFLOAT16 = {"avx512_bf16", "amx_bf16"}


def processor(root: Path = Path("/")) -> str:
    """Its name, such as `AMD EPYC 9V74 80-Core Processor`. `root` is where `/proc` is looked for."""
    found = re.search(r"model name\s*: (.+)", _cpuinfo(root))
    return found[1].strip() if found else platform.processor() or os.uname().machine


def instructions(root: Path = Path("/")) -> list[str]:
    """Those of them that it has; none where Linux does not say."""
    present = set(_cpuinfo(root).split())
    return [name for name in _INSTRUCTIONS if name in present]


def multiplies_eight_bits(root: Path = Path("/")) -> bool:
    """Whether it has instructions for products of 8-bit numbers; elsewhere they gain little."""
    return not _EIGHT_BIT.isdisjoint(instructions(root))


def multiplies_bfloat16(root: Path = Path("/")) -> bool:
    """Whether it has instructions for products of bfloat16; elsewhere that type costs time."""
    return not _BFLOAT16.isdisjoint(instructions(root))


def _cpuinfo(root: Path) -> str:
    return read(root / "proc/cpuinfo")
