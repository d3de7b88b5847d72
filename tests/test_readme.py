"""What the README shows does what it says."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_engine_example_runs():
    # The first: what follows is run with the other pages.
    example = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[0]
    done = subprocess.run([sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    scores, ranked, shape = done.stdout.splitlines()
    paris, cows = map(float, scores.strip("[]").split())
    assert paris > cows
    assert ranked.startswith("1 ")
    assert shape == "(1, 384)"
