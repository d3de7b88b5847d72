"""How commands read their arguments and end: in a sentence and with a code."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.command import Parser, UsageError, carry_out
from engine.errors import NotInstalled


def test_refused_arguments_are_a_sentence_with_a_place_to_look() -> None:
    parser = Parser("scorert x", "Do x.")
    parser.add_argument("--number", type=int)
    for arguments, complaint in (
        (["--number", "a"], "Argument --number: invalid int value: 'a'; see `scorert x --help`."),
        (["--numb", "1"], "Unrecognized arguments: --numb 1; see `scorert x --help`."),
    ):
        with pytest.raises(UsageError) as raised:
            parser.parse_args(arguments)
        assert str(raised.value) == complaint


def test_a_command_within_another_has_its_own_examples() -> None:
    parser = Parser("scorert", "Do something.")
    inner = parser.add_subparsers().add_parser("x", description="Do x.", examples=["--number 1"])
    assert inner.format_help().endswith("\nexamples:\n  scorert x --number 1\n")
    assert "examples" not in parser.format_help()


def raising(error: BaseException | None) -> int:
    if error is not None:
        raise error
    return 3


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (None, 3, []),
        (OSError("no room"), 2, ["error: no room"]),
        (UsageError("so not"), 2, ["error: so not"]),
        (NotInstalled("run this"), 2, ["error: run this"]),
        (KeyboardInterrupt(), 130, ["interrupted: nothing was made."]),
    ],
)
def test_exit_codes(
    error: BaseException | None, code: int, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert carry_out(lambda: raising(error), (OSError,), "nothing was made.") == code
    assert capsys.readouterr().err.splitlines() == said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(36, "File name too long", "x"), "error: x cannot be used: File name too long.\n"),
        (
            UnicodeEncodeError("utf-8", "x\udcff", 1, 2, "surrogates not allowed"),
            "error: x\udcff is not UTF-8, which every name must be: rename it.\n",
        ),
    ],
)
def test_what_the_system_says_of_a_file_is_a_sentence(
    error: Exception, said: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert carry_out(lambda: raising(error), (), "") == 2
    assert os.fsdecode(capsysbinary.readouterr().err) == said


@pytest.mark.parametrize(
    "error", [ZeroDivisionError(), OSError("a library's own"), UnicodeEncodeError("ascii", "ü", 0, 1, "")]
)
def test_others_are_not_swallowed(error: Exception) -> None:
    with pytest.raises(type(error)):
        carry_out(lambda: raising(error), (), "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_interrupt_and_are_the_callers_again_afterwards(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.signal(number, signal.default_int_handler)
    cleared = False

    def work() -> int:
        nonlocal cleared
        try:
            os.kill(os.getpid(), number)
            raise AssertionError("not interrupted")
        finally:
            # As `timeout` does, which means no second interrupt.
            os.kill(os.getpid(), signal.SIGTERM)
            cleared = True

    try:
        assert carry_out(work, (), "half is there.") == 130
        assert signal.getsignal(number) == signal.default_int_handler
    finally:
        signal.signal(number, before)
    assert cleared
    assert capsys.readouterr().err == "interrupted: half is there.\n"


def test_a_signal_that_the_caller_ignores_is_ignored() -> None:
    """What `nohup` starts goes on when the terminal ends."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert carry_out(lambda: os.kill(os.getpid(), signal.SIGHUP) or 3, (), "") == 3
    finally:
        signal.signal(signal.SIGHUP, before)


INTERRUPTED_WHILE = """
import os, signal, sys
from engine.command import carry_out
END = "os.kill(os.getpid(), signal.{number})"

def work():
    {work}

if __name__ == "__main__":
    sys.exit(carry_out(work, (), "half is there."))
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize(
    "work",
    [
        pytest.param("exec(END)", id="text-is-carried-out"),
        pytest.param("try: exec(END)\n    except BaseException: raise ImportError", id="a-library-is-imported"),
    ],
)
def test_the_code_of_a_signal_is_that_of_an_interrupt_wherever_it_comes(work: str, number: str, tmp_path: Path) -> None:
    """Python itself would end by SIGINT, and a library would say that it cannot be imported."""
    (tmp_path / "interrupted.py").write_text(INTERRUPTED_WHILE.format(work=work, number=number), "utf-8")
    command = ["env", "--default-signal=INT", sys.executable, "-m", "interrupted"]
    paths = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run(command, cwd=tmp_path, env=paths, stderr=subprocess.PIPE, text=True)
    assert (ended.returncode, ended.stderr) == (130, "interrupted: half is there.\n")
