"""Makes the requests: questions about Python, each with 20 passages of Python's own reference."""

import random
import re
from dataclasses import dataclass
from pydoc_data.topics import topics

DOCUMENTS = 20


@dataclass(frozen=True, slots=True)
class Request:
    query: str
    documents: list[str]


def make_requests(documents: int = DOCUMENTS) -> list[Request]:
    """The same requests each time: passages of log-normal length, half of them with words of the question."""
    rng = random.Random(0)
    pages = _pages()
    return [Request(query, _passages(query, pages, rng, documents)) for query in QUERIES]


def make_request(documents: int) -> Request:
    """One of that many passages."""
    return Request(QUERIES[0], _passages(QUERIES[0], _pages(), random.Random(1), documents))


def _pages() -> list[list[str]]:
    return [_paragraphs(text) for _, text in sorted(topics.items())]


def _passages(query: str, pages: list[list[str]], rng: random.Random, documents: int) -> list[str]:
    passages: list[str] = []
    while len(passages) < documents:
        length = min(int(rng.lognormvariate(5.34, 0.7)), 1200)
        # The most fitting of many is likely an answer, the only one is likely not.
        candidates = [_passage(pages, length, rng) for _ in range(50 if len(passages) % 2 else 1)]
        passage = max(candidates, key=lambda text: len(_words(query) & _words(text)))
        if passage not in passages:
            passages.append(passage)
    return passages


def _passage(pages: list[list[str]], length: int, rng: random.Random) -> str:
    """Consecutive paragraphs from anywhere, cut at a word near `length` characters."""
    page = rng.choice(pages)
    text = " ".join(page[rng.randrange(len(page)) :])
    return text if len(text) <= length else text[:length].rpartition(" ")[0] or text[:length]


def _paragraphs(page: str) -> list[str]:
    page = re.sub(r"[-=+*|~]{3,}", " ", page)  # rulers
    paragraphs = [" ".join(paragraph.split()) for paragraph in page.split("\n\n")]
    return [paragraph for paragraph in paragraphs if len(paragraph) > 60]


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{4,}", text.lower()))


QUERIES = [
    "How does a with statement use a context manager?",
    "When is the finally clause of a try statement executed?",
    "What is the difference between a list and a tuple?",
    "How are attributes of an instance looked up?",
    "Which values are considered false in a boolean test?",
    "How do I define a function with default parameter values?",
    "What does the lambda expression do?",
    "How is a generator function different from a normal function?",
    "What happens when an exception is not caught?",
    "How do I format a floating point number in a string?",
    "What is the scope of a name bound inside a function?",
    "How does integer division round negative numbers?",
    "How do I set a breakpoint in the debugger?",
    "What is a metaclass and when is it called?",
    "How does the import statement find a module?",
    "How do class decorators work?",
    "Can a dictionary be changed while iterating over it?",
    "What does the nonlocal statement do?",
    "How are comparison operators chained?",
    "How do I make an object hashable?",
    "Which methods does an iterator have to implement?",
    "How does pattern matching bind names in a case block?",
    "What does the del statement remove?",
    "How are bytes objects different from strings?",
    "How do I wait for the result of a coroutine?",
    "What is the order of evaluation of operands?",
    "How do I slice a sequence from the end?",
    "What are descriptors used for?",
    "How do I raise an exception from another exception?",
    "What does the global statement change?",
]
