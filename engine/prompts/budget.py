"""Makes a template's rendering pay for what it does, out of a budget that ends it.

Every turn of a loop, every list and every string that a template makes is paid for out of one budget, before it is
printed, joined or put into another. So nothing grows for long, however it is done.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.runtime import Context
from jinja2.visitor import NodeTransformer

# Choices, all of them: far more than a template needs, and little for a machine.
# Turns of loops and calls of macros in one rendering; chat templates take a handful.
MAX_TURNS = 10_000
# The characters that one rendering may make, and those that it may make for each character that it is given.
MAX_SIZE = 1_000_000
SIZE_PER_CHARACTER = 16
# The characters that an item of a list counts for, however short: about its bytes in memory.
_ITEM = 16


class LimitReached(jinja2.TemplateRuntimeError):
    """A rendering went past one of the limits."""


class Budget:
    """What is left of one rendering's turns and size."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        """`variables` are what the template is given."""
        self._turns = MAX_TURNS
        self._size = MAX_SIZE + SIZE_PER_CHARACTER * characters(variables)

    def turn(self) -> None:
        self._turns -= 1
        if self._turns < 0:
            raise LimitReached(f"it loops more than {MAX_TURNS:,} times")

    def spend(self, size: int) -> None:
        self._size -= size
        if self._size < 0:
            raise LimitReached("it makes too much text")

    def charge(self, value: Any) -> Any:
        """`value` itself, paid for with everything in it; an iterator pays as it goes."""
        if isinstance(value, Iterator):
            return map(self.charge, value)
        waiting = [value]
        while waiting:
            item = waiting.pop()
            if isinstance(item, str):
                self.spend(len(item))
            elif isinstance(item, int):
                self.spend(item.bit_length())
            elif isinstance(item, Mapping):
                waiting += [*item.keys(), *item.values()]
            elif isinstance(item, list | tuple):
                waiting += item
            self.spend(_ITEM)
        return value


def budgeted(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Variables with a budget for rendering them, under a name that no template can write."""
    return {**variables, _BUDGET: Budget(variables)}


def budget_of(context: Context) -> Budget:
    budget: Budget = context.parent[_BUDGET]
    return budget


# Names that no template can write: a variable's, and those of filters its compiled form uses.
_BUDGET = "its budget"
_LIST, _JOINED, _TURN = "its list", "its joined strings", "its turn"


class Metering(NodeTransformer):
    """Makes loops, macros, lists and joined strings pay for what they do."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if node.test is not None:
            node.test = nodes.And(_metering(_TURN, nodes.Const(0), node), node.test, lineno=node.lineno)
        return _counted(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:  # noqa: N802
        return _counted(self.generic_visit(node))

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:  # noqa: N802
        return _counted(self.generic_visit(node))

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        return _metering(_LIST, self.generic_visit(node), node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        return _metering(_LIST, self.generic_visit(node), node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _metering(_LIST, node, node) if node.ctx == "load" else node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _metering(_JOINED, nodes.List(node.nodes, lineno=node.lineno), node)


def _counted(node: Any) -> nodes.Node:
    """A loop or macro that counts its turns, and the text it spells out in each."""
    spelled = sum(len(data.data) for child in node.body for data in _text(child))
    turn = _metering(_TURN, nodes.Const(spelled), node)
    node.body.insert(0, nodes.ExprStmt(turn, lineno=node.lineno))
    counted: nodes.Node = node
    return counted


def _text(node: nodes.Node) -> Iterator[nodes.TemplateData]:
    if isinstance(node, nodes.TemplateData):
        yield node
    yield from node.find_all(nodes.TemplateData)


def _metering(name: str, value: Any, at: nodes.Node) -> nodes.Filter:
    return nodes.Filter(value, name, [], [], None, None, lineno=at.lineno)


# All of these take the context, which also keeps Jinja from running them while it compiles.


@jinja2.pass_context
def printed(context: Context, value: Any) -> str:
    text = str(value)
    budget_of(context).spend(len(text))
    return text


@jinja2.pass_context
def _paid(context: Context, value: Any) -> Any:
    return budget_of(context).charge(value)


@jinja2.pass_context
def _joined(context: Context, values: list[Any]) -> str:
    texts = [str(value) for value in values]
    budget_of(context).spend(sum(map(len, texts)))
    return "".join(texts)


@jinja2.pass_context
def _turn(context: Context, spelled: int) -> bool:
    budget_of(context).turn()
    budget_of(context).spend(spelled)
    return True


def metered(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that pays for what it makes, beforehand where that may be much more than it is given."""

    @functools.wraps(function)
    def paying(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        budget = budget_of(context)
        if name == "join" and isinstance(value, Iterator):
            value = list(value)
        growth = _GROWTH.get(name)
        if growth is not None:
            budget.spend(growth(value, *args, **kwargs))
        elif isinstance(value, list | tuple | Mapping | range):
            budget.spend(len(value))
        return budget.charge(context.call(function, value, *args, **kwargs))

    return jinja2.pass_context(paying)


def replaced(text: Any, old: Any, new: Any, count: Any = None) -> int:
    return str(text).count(str(old)) * len(str(new))


def _indented(text: Any, width: Any = 4, *_: Any, **__: Any) -> int:
    return (str(text).count("\n") + 1) * (width if isinstance(width, int) else len(str(width)))


def _separated(values: Any, d: Any = "", attribute: Any = None) -> int:
    return len(values) * len(str(d))


_GROWTH: dict[str, Callable[..., int]] = {"replace": replaced, "indent": _indented, "join": _separated}


def characters(value: Any) -> int:
    """Those of all strings in JSON data, however deep."""
    found = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            waiting += item.values()
        elif isinstance(item, list | tuple):
            waiting += item
        elif isinstance(item, str):
            found += len(item)
    return found


METERS = {_LIST: _paid, _JOINED: _joined, _TURN: _turn}
