"""How commands read their arguments and end: in a sentence and with a code."""

import os
import signal

import pytest

from engine.command import Parser, UsageError, carry_out


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
        (KeyboardInterrupt(), 130, ["interrupted: nothing was made."]),
    ],
)
def test_exit_codes(error: BaseException | None, code: int, said: list[str]) -> None:
    lines: list[str] = []
    assert carry_out(lambda: raising(error), lines.append, (OSError,), "nothing was made.") == code
    assert lines == said


def test_others_are_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        carry_out(lambda: raising(ZeroDivisionError()), print, (OSError,), "")


def test_sigterm_interrupts_and_is_the_callers_again_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    lines: list[str] = []

    def work() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("not interrupted")

    assert carry_out(work, lines.append, (), "half is there.") == 130
    assert lines == ["interrupted: half is there."]
    assert signal.getsignal(signal.SIGTERM) == before
