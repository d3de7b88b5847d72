import pytest

from api.media.urls import Location, located


@pytest.mark.parametrize(
    ("url", "scheme", "host", "target"),
    [
        ("http://images.example/a.png", "http", "images.example", "/a.png"),
        ("HTTPS://Images.Example:443/a/b?c=d&e=%2F#part", "https", "images.example", "/a/b?c=d&e=%2F"),
        ("http://images.example:80", "http", "images.example", "/"),
        ("http://images.example?a=/b", "http", "images.example", "/?a=/b"),
        ("https://bücher.example/ü x", "https", "xn--bcher-kva.example", "/%C3%BC%20x"),
        ("http://images.example./", "http", "images.example", "/"),
        ("http://images.example/a\r\nHost: b\\c", "http", "images.example", "/a%0D%0AHost:%20b%5Cc"),
        ("http://images.example/../a//b@c:d", "http", "images.example", "/../a//b@c:d"),
    ],
)
def test_what_a_url_names(url: str, scheme: str, host: str, target: str) -> None:
    assert located(url) == Location(scheme, host, target)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http:",
        "http://",
        "http:///a.png",
        "http:images.example",
        "//images.example/",
        "file:///etc/passwd",
        "ftp://images.example/",
        "gopher://images.example:6379/_",
        " http://images.example/",
        "http://user@images.example/",
        "http://user:password@images.example/",
        "http://images.example@127.0.0.1/",
        "http://images.example\\@127.0.0.1/",
        "http://images.example:80@127.0.0.1/",
        "http://127.0.0.1\\.images.example/",
        "http://images.example:8080/",
        "http://images.example:443/",
        "https://images.example:80/",
        "http://images.example:/",
        "http://images.example:080/",
        "http://images.example%2f@127.0.0.1/",
        "http://images.example\t/",
        "http://images.example\n.other.example/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://①②⑦.0.0.1/",
        "http://images.example/\ud800",
        "http://images.example/" + "a" * 9000,
    ],
)
def test_what_is_not_asked_for(url: str) -> None:
    assert located(url) is None
