"""Looks up the installed packages in an index of advisories: `python -m scripts.audit`.

Ends with 1 where a version that mends an advisory can be installed, and with 0 otherwise: an index that cannot be
reached, or that knows none of the packages, is said and is no failure.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

_SECONDS = 10
"""For each answer of the index. A choice."""


@dataclass(frozen=True)
class Audit:
    """What an audit found: how many packages were looked up, and a line for each advisory."""

    packages: int
    mended: list[str]
    """Advisories that a newer version mends."""
    open: list[str]
    """Those that no version mends yet."""


def main() -> int:
    found = run()
    if found is None or not found.packages:
        print("No index of advisories could be reached, so dependencies were not audited.", file=sys.stderr)
        return 0
    for line in [*found.open, *found.mended]:
        print(line, file=sys.stderr)
    if found.mended:
        print("Raise those versions in constraints.txt.", file=sys.stderr)
    return 1 if found.mended else 0


def run() -> Audit | None:
    """Ask pip-audit about what is installed here; None where it could not ask."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    ended = subprocess.run(
        [*command, "--timeout", str(_SECONDS), "--skip-editable"], capture_output=True, text=True, check=False
    )
    try:
        return read(json.loads(ended.stdout))
    except json.JSONDecodeError:
        return None


def read(report: dict[str, Any]) -> Audit:
    """Read pip-audit's own format. Packages that its index does not know were not looked up."""
    known = [package for package in report["dependencies"] if "vulns" in package]
    mended, still_open = [], []
    for package in known:
        for advisory in package["vulns"]:
            name = f"{package['name']} {package['version']}: {advisory['id']}"
            if advisory["fix_versions"]:
                mended.append(f"{name}, mended in {' and '.join(advisory['fix_versions'])}.")
            else:
                still_open.append(f"{name}, not mended in any version yet.")
    return Audit(len(known), mended, still_open)


if __name__ == "__main__":
    sys.exit(main())
