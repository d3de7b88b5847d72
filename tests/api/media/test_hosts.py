import pytest

from api.media.hosts import host_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("images.example", "images.example"),
        ("Images.EXAMPLE", "images.example"),
        ("images.example.", "images.example"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("images。example", "images.example"),
        ("images\uff0eexample\uff61", "images.example"),
        ("my_bucket.s3.example", "my_bucket.s3.example"),
        ("3.example", "3.example"),
        ("localhost.", "localhost"),
    ],
)
def test_a_name_is_written_in_one_way(text: str, name: str) -> None:
    assert host_name(text) == name
    assert host_name(name) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "*",
        "*.example",
        "images.example:80",
        "https://images.example",
        "user@images.example",
        "images.example..",
        "images..example",
        "-images.example",
        "images example",
        "images.example\n",
        "images.example\\@127.0.0.1",
        "images%2eexample",
        "127.0.0.1",
        "127.0.0.1.",
        "127。0。0。1",
        "\uff11\uff12\uff17.0.0.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.1",
        "images.0x",
        "[::1]",
        "::1",
        "fe80::1%eth0",
        "a" * 64 + ".example",
        ".".join(["abc"] * 70),
        "ü" * 100_000,
        "\ud800.example",
        "images.exam\u200bple",
    ],
)
def test_what_is_no_name_of_a_host(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a host's name such as images\.example\.com, without a port"):
        host_name(text)
