"""Reads flags from the command line, `SCORERT_*` variables and a TOML file, and says where one is wrong."""

import argparse
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.command import Parser, UsageError, nearest, say

from .errors import SettingsError
from .values import content


@dataclass(frozen=True, slots=True)
class Flag:
    """One setting in every place it can be given: `--max-documents`, SCORERT_MAX_DOCUMENTS, `max-documents = 100`.

    `read` makes a value of its text, and raises `ValueError` with what is wrong with it. `kind` is its type in the
    file, where a `Path` is relative to the file's folder, also after NAME= where it is `named`. With `repeats` it is a
    list. `default` is its value where it is not given; `help` says what None means.
    """

    name: str
    help: str
    read: Callable[[str], Any] = str
    kind: type = str
    default: Any = None
    repeats: bool = False
    metavar: str | None = None
    named: bool = False

    @property
    def variable(self) -> str:
        return f"SCORERT_{self.name.upper().replace('-', '_')}"


Groups = Mapping[str, Sequence[Flag]]

# By a flag's name: how an error names the place it was given, and its texts there; one that does not repeat has one.
_Given = dict[str, tuple[str, list[str]]]

_CONFIG = Flag("config", "a TOML file with a key for each flag, less its dashes: `port = 8000`", kind=Path)

# The types of a TOML document that are taken for a flag's kind, and what they are called.
_TOML: dict[type, tuple[tuple[type, ...], str]] = {
    str: ((str,), "a string"),
    Path: ((str,), "a string"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    bool: ((bool,), "true or false"),
}
_METAVARS = {int: "N", Path: "FILE"}

# In the pods beside a Service that is called scorert, SCORERT_PORT says where that is, unless they set it themselves.
_OF_A_SERVICE = re.compile(r"(tcp|udp|sctp)://")


def read_flags(
    groups: Groups, arguments: Sequence[str], environment: Mapping[str, str], command: str
) -> dict[str, Any]:
    """The value of every flag by its name: from the command line, or its variable, or the file, or its default.

    An empty variable is one that is not set, and so is one of Kubernetes' own. `--help` prints the groups and exits
    with 0. `command` is what the user typed before the arguments. Raises `SettingsError`.
    """
    flags = [flag for group in groups.values() for flag in group]
    given = _variables([*flags, _CONFIG], environment) | _command_line(groups, arguments, command)
    if _CONFIG.name in given:
        label, (path,) = given[_CONFIG.name]
        given = _file(flags, Path(path), label, command) | given
    return {flag.name: _value(flag, *given[flag.name]) if flag.name in given else flag.default for flag in flags}


def _value(flag: Flag, label: str, texts: list[str]) -> Any:
    try:
        values = [flag.read(text) for text in texts]
    except ValueError as error:
        raise SettingsError(f"{label}: {error}.") from None
    return values if flag.repeats else values[0]


def _command_line(groups: Groups, arguments: Sequence[str], command: str) -> _Given:
    parser = Parser(
        command,
        "Serve relevance scores of exported models over HTTP.",
        usage=f"{command} [--flag value ...]",
        epilog="Every flag is also a variable, such as SCORERT_PORT, where commas separate the entries of a list, and "
        "a key of the file. A flag wins over its variable, and that over the file.",
        examples=[
            "--model models/ms-marco-MiniLM-L6-v2 --port 8000",
            "--model models/reranker models/embedder --alias default=reranker --provider auto",
            "--config /etc/scorert.toml",
        ],
        argument_default=argparse.SUPPRESS,
    )
    _add(parser, _CONFIG)
    for title, flags in groups.items():
        group = parser.add_argument_group(title)
        for flag in flags:
            _add(group, flag)
    try:
        given, unknown = parser.parse_known_args(arguments)
    except UsageError as error:
        raise SettingsError(str(error)) from None
    if unknown and unknown[0] == "serve":
        del unknown[0]
    if option := next((word for word in unknown if word.startswith("-")), None):
        # What comes after its name may be a secret, and the error is logged.
        name = option.partition("=")[0]
        names = [f"--{flag.name}" for flags in groups.values() for flag in flags]
        raise SettingsError(_unknown(name, "flag", name, names, command))
    if unknown:
        # A model by itself is what people type.
        given.model = [*unknown, *getattr(given, "model", ())]
    return {name: (f"--{name}", texts) for name, texts in vars(given).items()}


def _add(parser: argparse._ActionsContainer, flag: Flag) -> None:
    options: dict[str, Any]
    if flag.kind is bool:
        options = {"action": "store_const", "const": ["true"]}
    else:
        options = {"metavar": flag.metavar or _METAVARS.get(flag.kind) or flag.name.upper()}
        options |= {"action": "extend", "nargs": "+"} if flag.repeats else {"nargs": 1}
    default = "" if flag.default is None else f" (default: {_shown(flag.default)})"
    parser.add_argument(f"--{flag.name}", dest=flag.name, help=f"{flag.help}{default}", **options)


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, float) else str(default)


def _variables(flags: Sequence[Flag], environment: Mapping[str, str]) -> _Given:
    given: _Given = {}
    for flag in flags:
        text = environment.get(flag.variable)
        if not text:
            continue
        if _OF_A_SERVICE.match(text) and flag.kind is int:
            say(f"{flag.variable} is {text}, as Kubernetes sets it for a Service of that name: it is passed over.")
            continue
        given[flag.name] = (flag.variable, listed(text) if flag.repeats else [text])
    return given


def listed(text: str) -> list[str]:
    """The entries that commas separate; empty ones are left out."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _file(flags: Sequence[Flag], path: Path, label: str, command: str) -> _Given:
    """The keys of a TOML file; `label` is what named it."""
    try:
        text = content(str(path))
    except ValueError as error:
        raise SettingsError(f"{label}: {error}.") from None
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{label}: {path} is not TOML: {str(error).rstrip('.')}.") from None
    known = {flag.name: flag for flag in flags}
    for key in document:
        if key not in known:
            raise SettingsError(_unknown(f"{key} in {path}", "setting", key, known, command))
    return {key: (f"{key} in {path}", _texts(known[key], value, path)) for key, value in document.items()}


def _texts(flag: Flag, value: Any, path: Path) -> list[str]:
    types, words = _TOML[flag.kind]
    values = value if flag.repeats and isinstance(value, list) else [value]
    # To Python a bool is an int too.
    fits = all(isinstance(item, types) and isinstance(item, bool) == (flag.kind is bool) for item in values)
    if not fits or isinstance(value, list) != flag.repeats:
        # Lists are of strings, all of them.
        raise SettingsError(f"{flag.name} in {path} must be {'a list of strings' if flag.repeats else words}.")
    return [_beside(path.parent, item, flag.named) if flag.kind is Path else str(item) for item in values]


def _beside(folder: Path, path: str, named: bool) -> str:
    name, sign, file = path.partition("=")
    if not named or not sign or (folder / path).is_file():
        return str(folder / path)
    return f"{name}={folder / file}" if file else path


def _unknown(what: str, noun: str, name: str, names: Iterable[str], command: str) -> str:
    near = nearest(name, [*names])
    return f"{what} is not a {noun}: {f'the nearest is {near}' if near else f'`{command} --help` lists them'}."
