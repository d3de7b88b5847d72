"""Images are fetched from real sockets of sites that mean no good."""

import gzip
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpcore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.media.connecting import resolve
from api.media.fetching import Fetcher
from api.media.settings import MediaSettings
from engine import Cancelled, DeadlineExceeded, ImageLimits, InvalidInput, Job

from .sites import PNG, PUBLIC, Fetching, Names, Site, certificate, redirect, response

URL = "http://images.example/a.png"

REFUSAL = (
    "The image at this URL could not be fetched: its host must be one that the server's --allowed-media-domain names, "
    "and send the image within 5 s; or send the image as a data URL."
)


def refusal(fetching: Fetching, url: str = URL) -> str:
    with pytest.raises(InvalidInput) as raised:
        fetching(url)
    assert raised.value.parameter is None
    assert raised.value.__cause__ is None
    return str(raised.value)


class TestAsking:
    def test_a_host_is_asked_by_its_name_at_its_address(self) -> None:
        with Site({"/a%20b.png?size=1": response()}) as site, Fetching(site) as fetching:
            assert fetching("HTTP://Images.Example.:80/a b.png?size=1#part") == PNG
            assert fetching.names.asked == ["images.example"]
            assert fetching.network.connected == [(PUBLIC, 80)]
            head, *fields = site.requests[0].decode().split("\r\n")
            assert head == "GET /a%20b.png?size=1 HTTP/1.1"
            assert "Host: images.example" in fields
            assert "Accept-Encoding: identity" in fields

    def test_connections_are_kept(self) -> None:
        with Site({"/a.png": response()}) as site, Fetching(site) as fetching:
            assert [fetching(URL) for _ in range(3)] == [PNG] * 3
            assert (site.connections, fetching.names.asked) == (1, ["images.example"])

    def test_nothing_of_one_fetch_goes_with_the_next(self) -> None:
        answers = {"/a.png": response(Set_Cookie="session=1; Domain=images.example"), "/b": redirect("/a.png")}
        with Site(answers) as site, Fetching(site) as fetching:
            for path in ("a.png", "b", "a.png"):
                fetching(f"http://images.example/{path}")
            assert not [request for request in site.requests if b"cookie" in request.lower()]
            assert not [request for request in site.requests if b"referer" in request.lower()]

    def test_the_environment_is_not_used(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "netrc").write_text("machine images.example login me password secret")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        with Site({"/a.png": response()}) as site, Fetching(site) as fetching:
            assert fetching(URL) == PNG
            assert fetching.network.connected == [(PUBLIC, 80)]
            assert b"authorization" not in site.requests[0].lower()

    def test_urls_are_not_logged(self) -> None:
        root, level = logging.getLogger(), logging.getLogger().level
        records: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: records.append(record.getMessage())
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        answers = {"/secret?key=secret": response(), "/no-secret": response(b"", "404 None")}
        try:
            with Site(answers) as site, Fetching(site) as fetching:
                assert fetching("http://images.example/secret?key=secret") == PNG
                assert "secret" not in refusal(fetching, "http://images.example/no-secret")
                assert "secret" not in refusal(fetching, "http://secret.example/secret")
        finally:
            root.removeHandler(handler)
            root.setLevel(level)
        assert records, "the libraries do log"
        assert not [record for record in records if "secret" in record]


class TestHosts:
    @pytest.mark.parametrize(
        "url",
        [
            "http://evil.example/a.png",
            "http://a.images.example/a.png",
            "http://images.example.evil.example/a.png",
            "http://images.example:8080/a.png",
            "http://images.example@evil.example/a.png",
            "http://images.example@127.0.0.1/a.png",
            "http://images.example\\@127.0.0.1/a.png",
            "http://user:password@images.example/a.png",
            "http://127.0.0.1/a.png",
            "http://2130706433/a.png",
            "http://0x7f.1/a.png",
            "http://[::ffff:127.0.0.1]/a.png",
            "http://localhost./a.png",
            "http://127。0。0。1/a.png",
            "http://169.254.169.254/latest/meta-data/",
            "http://metadata.google.internal/computeMetadata/v1/",
            "https:///a.png",
        ],
    )
    def test_hosts_that_are_not_allowed_are_not_even_resolved(self, url: str) -> None:
        with Fetching(None) as fetching:
            assert refusal(fetching, url) == REFUSAL
            assert (fetching.names.asked, fetching.network.connected) == ([], [])

    def test_domains_are_written_in_any_way(self) -> None:
        with Site({"/": response()}) as site, Fetching(site, allowed_domains=["Bücher.Example."]) as fetching:
            for host in ("bücher.example", "XN--BCHER-KVA.example", "bücher。example."):
                assert fetching(f"http://{host}") == PNG
            assert fetching.names.asked == ["xn--bcher-kva.example"]
            assert b"Host: xn--bcher-kva.example\r\n" in site.requests[0]

    @pytest.mark.parametrize("domain", ["*", "*.example", "images.example:80", "https://images.example", "127.0.0.1"])
    def test_domains_that_are_none(self, domain: str) -> None:
        with pytest.raises(ValueError, match="is not a host's name"):
            Fetcher(MediaSettings(allowed_domains=[domain]))


class TestAddresses:
    @pytest.mark.parametrize(
        "answer",
        [
            ["127.0.0.1"],
            ["169.254.169.254"],
            ["10.0.0.1"],
            ["::1"],
            ["::ffff:127.0.0.1"],
            ["64:ff9b::7f00:1"],
            [PUBLIC, "192.168.0.1"],
            ["192.168.0.1", PUBLIC],
            ["fe80::1%eth0"],
            [],
        ],
    )
    def test_nothing_is_sent_to_hosts_with_addresses_that_are_not_public(self, answer: list[str]) -> None:
        with Fetching(None, Names(images_example=[answer])) as fetching:
            assert refusal(fetching) == REFUSAL
            assert (fetching.names.asked, fetching.network.connected) == (["images.example"], [])

    def test_what_was_checked_is_connected_to(self) -> None:
        """A name that is public when it is asked for once, and loopback from then on."""
        names = Names(images_example=[[PUBLIC], ["127.0.0.1"]])
        with Site({"/a.png": response(Connection="close")}) as site, Fetching(site, names) as fetching:
            assert fetching(URL) == PNG
            assert (names.asked, fetching.network.connected) == (["images.example"], [(PUBLIC, 80)])
            assert refusal(fetching) == REFUSAL
            assert (len(names.asked), fetching.network.connected) == (2, [(PUBLIC, 80)])

    def test_a_redirect_is_resolved_and_checked_anew(self) -> None:
        names = Names(images_example=[[PUBLIC], ["127.0.0.1"]])
        with (
            Site({"/a.png": response(b"", "302 Found", Location="/b.png", Connection="close")}) as site,
            Fetching(site, names) as fetching,
        ):
            assert refusal(fetching) == REFUSAL
            assert (len(names.asked), fetching.network.connected) == (2, [(PUBLIC, 80)])

    def test_the_next_address_is_tried(self) -> None:
        names = Names(images_example=[["2606:4700::1", "1.1.1.1", PUBLIC]])
        with (
            Site({"/a.png": response()}) as site,
            Fetching(site, names, refusing=["2606:4700::1", "1.1.1.1"]) as fetching,
        ):
            assert fetching(URL) == PNG
            assert fetching.network.connected == [("2606:4700::1", 80), ("1.1.1.1", 80), (PUBLIC, 80)]
        with Fetching(None, names) as fetching:
            assert refusal(fetching) == REFUSAL
            assert len(fetching.network.connected) == 3

    def test_the_systems_own_resolver(self) -> None:
        """Nothing is injected but the names: `localhost` is allowed, and it is this machine."""
        assert {"127.0.0.1", "::1"} & set(resolve("localhost"))
        with Site({"/a.png": response()}) as site:
            fetcher = Fetcher(MediaSettings(allowed_domains=["localhost", "no.such.invalid"]))
            for host in ("localhost", "localhost.", "no.such.invalid", f"localhost:{site.port}"):
                with pytest.raises(InvalidInput, match=r"^The image at this URL could not be fetched: "):
                    fetcher.fetch(f"http://{host}/a.png", Job(timeout=20))
            assert site.connections == 0
            fetcher.close()

    def test_a_resolver_that_hangs_is_waited_for_no_longer_than_a_fetch_may_take(self) -> None:
        done = threading.Event()

        def hang(host: str) -> list[str]:
            done.wait(10)
            return [PUBLIC]

        with Fetching(None, hang, fetch_timeout=0.2) as fetching:
            began = time.monotonic()
            assert "could not be fetched" in refusal(fetching)
            assert time.monotonic() - began < 2
            done.set()


class TestRedirects:
    @pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 Other", "307 Temporary", "308 Permanent"])
    def test_they_are_followed_where_fetching_is_allowed(self, status: str) -> None:
        answers = {
            "/a.png": redirect("/b/c.png?d", status),
            "/b/c.png?d": redirect("//other.example/e.png", status),
            "/e.png": redirect("HTTP://IMAGES.example:80/f%20.png#g", status),
            "/f%20.png": response(),
        }
        with Site(answers) as site, Fetching(site) as fetching:
            assert fetching(URL) == PNG
            assert site.paths == list(answers)
            assert list(dict.fromkeys(fetching.names.asked)) == ["images.example", "other.example"]

    @pytest.mark.parametrize(
        "to",
        [
            "http://127.0.0.1/a.png",
            "http://127.0.0.1:{port}/a.png",
            "http://localhost/a.png",
            "//127.0.0.1/a.png",
            "http://169.254.169.254/latest/meta-data/",
            "http://evil.example/a.png",
            "http://images.example@evil.example/a.png",
            "http://images.example:{port}/b.png",
            "http://2130706433/",
            "file:///etc/passwd",
            "ftp://images.example/a.png",
            "data:image/png;base64,AAAA",
            "gopher://images.example/",
            "https:",
            "http://[",
            "http://images.example:x/",
            "http://" + "a" * 9000 + ".example/",
        ],
    )
    def test_they_lead_nowhere_else(self, to: str) -> None:
        answers = {"/a.png": b""}
        with Site(answers) as site, Fetching(site) as fetching:
            answers["/a.png"] = redirect(to.format(port=site.port))
            assert refusal(fetching) == REFUSAL
            assert site.paths == ["/a.png"]
            assert fetching.network.connected == [(PUBLIC, 80)]

    def test_they_do_not_go_in_circles(self) -> None:
        with Site({"/a.png": redirect("/b.png"), "/b.png": redirect("/a.png")}) as site, Fetching(site) as fetching:
            assert refusal(fetching) == REFUSAL
            assert site.paths == ["/a.png", "/b.png", "/a.png", "/b.png"]

    def test_a_redirect_to_nowhere_is_an_error(self) -> None:
        with Site({"/a.png": response(b"", "302 Found")}) as site, Fetching(site) as fetching:
            assert refusal(fetching) == REFUSAL

    def test_the_seconds_are_those_of_all_hops(self) -> None:
        def slowly(to: str) -> Callable[[socket.socket], None]:
            def talk(connection: socket.socket) -> None:
                time.sleep(0.25)
                connection.sendall(redirect(to))

            return talk

        answers = {"/a.png": slowly("/b.png"), "/b.png": slowly("/c.png"), "/c.png": response()}
        with Site(answers) as site, Fetching(site, fetch_timeout=0.4) as fetching:
            assert "could not be fetched" in refusal(fetching)


def drip(first: bytes, every: bytes, seconds: float = 0.05) -> Callable[[socket.socket], None]:
    """Send something again and again, until the other side leaves."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(first)
        while True:
            connection.sendall(every)
            time.sleep(seconds)

    return talk


HEAD = b"HTTP/1.1 200 OK\r\n"
SLOW = {
    "silence": lambda connection: time.sleep(5),
    "an empty line now and then": drip(b"", b"\r\n"),
    "a status line by letters": drip(b"HTTP/1.1 200 ", b"a"),
    "headers without end": drip(HEAD, b"X-A: b\r\n"),
    "provisional answers": drip(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "a body by bytes": drip(HEAD + b"Content-Length: 1000000\r\n\r\n", b"a"),
    "a body by chunks": drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "a body without length": drip(HEAD + b"\r\n", b"a"),
    "trailers": drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n"),
}


class TestTime:
    @pytest.mark.parametrize("talk", SLOW.values(), ids=SLOW)
    def test_a_site_that_is_slow(self, talk: Callable[[socket.socket], None]) -> None:
        with Site({"/a.png": talk}) as site, Fetching(site, fetch_timeout=0.4) as fetching:
            began = time.monotonic()
            assert "could not be fetched" in refusal(fetching)
            assert time.monotonic() - began < 2

    def test_a_site_that_accepts_and_says_nothing_of_tls(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        site = Site({})
        site.port = listener.getsockname()[1]
        with Fetching(site, fetch_timeout=0.3) as fetching:
            began = time.monotonic()
            assert "could not be fetched" in refusal(fetching, "https://images.example/a.png")
            assert time.monotonic() - began < 2
        listener.close()

    @pytest.mark.parametrize("talk", [SLOW["a body by bytes"], SLOW["silence"]])
    def test_the_jobs_own_time_comes_first(self, talk: Callable[[socket.socket], None]) -> None:
        with Site({"/a.png": talk}) as site, Fetching(site) as fetching:
            began = time.monotonic()
            with pytest.raises(DeadlineExceeded):
                fetching(URL, Job(timeout=0.2))
            assert time.monotonic() - began < 2

    def test_a_job_that_is_cancelled_fetches_no_more(self) -> None:
        job = Job(timeout=20)

        def leave(connection: socket.socket) -> None:
            job.cancel()
            connection.sendall(HEAD + b"Content-Length: 10\r\n\r\nabc")
            time.sleep(5)

        with Site({"/a.png": leave}) as site, Fetching(site) as fetching:
            began = time.monotonic()
            with pytest.raises(Cancelled):
                fetching(URL, job)
            assert time.monotonic() - began < 2
            with pytest.raises(Cancelled):
                fetching(URL, job)
            assert site.paths == ["/a.png"]

    def test_a_kept_connection_that_its_host_closes_is_replaced(self) -> None:
        """It closes it after it was asked again, so that nobody can know before."""
        with Site({"/a.png": response(), "/leaves": lambda connection: None}) as site, Fetching(site) as fetching:
            for _ in range(3):
                assert fetching(URL) == PNG
            assert site.connections == 1
            with pytest.raises(InvalidInput, match="could not be fetched"):
                fetching(URL.replace("/a.png", "/leaves"))
            # Once on the connection that was kept, and once on one of its own.
            assert site.paths == ["/a.png"] * 3 + ["/leaves"] * 2
            assert site.connections == 2
            with pytest.raises(InvalidInput, match="could not be fetched"):
                fetching(URL.replace("/a.png", "/leaves"))
            assert (site.paths[5:], site.connections) == (["/leaves"], 3)

    def test_so_many_are_fetched_at_a_time(self) -> None:
        going, most = 0, 0
        lock, leave = threading.Lock(), threading.Event()

        def hold(connection: socket.socket) -> None:
            nonlocal going, most
            with lock:
                going += 1
                most = max(most, going)
            leave.wait(10)
            with lock:
                going -= 1
            connection.sendall(response())

        with Site({"/a.png": hold}) as site, Fetching(site, max_concurrent_fetches=2, fetch_timeout=20) as fetching:
            threads = [threading.Thread(target=fetching, args=[URL]) for _ in range(5)]
            for thread in threads:
                thread.start()
            while going < 2:
                time.sleep(0.01)
            with pytest.raises(DeadlineExceeded):
                fetching(URL, Job(timeout=0.3))
            leave.set()
            for thread in threads:
                thread.join(10)
            assert (most, len(site.paths)) == (2, 5)


BOMB = gzip.compress(bytes(10_000_000))

BROKEN = {
    "an error": response(PNG, "404 Not Found"),
    "a server's error": response(PNG, "500 Oh"),
    "a part": response(PNG, "206 Partial Content"),
    "nothing new": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + PNG,
    "gzip": response(gzip.compress(PNG), Content_Encoding="gzip"),
    "a bomb": response(BOMB, Content_Encoding="gzip"),
    "a bomb within": response(gzip.compress(BOMB), Content_Encoding="gzip, gzip"),
    "an unknown encoding": response(PNG, Content_Encoding="zzz"),
    "a bomb in transfer": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + BOMB,
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "old HTTP": PNG,
    "a length that is none": HEAD + b"Content-Length: -1\r\n\r\n" + PNG,
    "a length of too many digits": HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + PNG,
    "two lengths": HEAD + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
    "a length and chunks of another": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc",
    "endless headers": HEAD + b"X-A: b\r\n" * 20_000,
    "one endless header": HEAD + b"X-A: " + b"b" * 200_000,
    "an endless chunk's size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 200_000,
}


class TestBodies:
    @pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
    def test_what_is_no_sound_answer(self, answer: bytes) -> None:
        def talk(connection: socket.socket) -> None:
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)

        with Site({"/a.png": talk}) as site, Fetching(site) as fetching:
            assert refusal(fetching) == REFUSAL

    @pytest.mark.parametrize("media_type", ["text/html", "application/octet-stream", "image/svg+xml", "", "?"])
    def test_the_type_that_it_claims_does_not_matter(self, media_type: str) -> None:
        with Site({"/a.png": response(Content_Type=media_type)}) as site, Fetching(site) as fetching:
            assert fetching(URL) == PNG

    @pytest.mark.parametrize("encoding", ["identity", "Identity"])
    def test_a_body_may_say_that_it_is_not_compressed(self, encoding: str) -> None:
        with Site({"/a.png": response(Content_Encoding=encoding)}) as site, Fetching(site) as fetching:
            assert fetching(URL) == PNG

    def test_a_body_in_chunks_or_up_to_the_end(self) -> None:
        def until_closed(connection: socket.socket) -> None:
            connection.sendall(HEAD + b"\r\nabc")

        chunks = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n"
        with Site({"/a": chunks, "/b": until_closed}) as site, Fetching(site) as fetching:
            assert fetching("http://images.example/a") == fetching("http://images.example/b") == b"abc"

    def test_a_body_is_shorter_than_it_claims(self) -> None:
        def talk(connection: socket.socket) -> None:
            connection.sendall(response(b"abc", length=5))

        with Site({"/a.png": talk}) as site, Fetching(site) as fetching:
            assert refusal(fetching) == REFUSAL

    def test_a_body_is_longer_than_it_claims(self) -> None:
        with Site({"/a.png": response(b"abcde", length=3)}) as site, Fetching(site) as fetching:
            assert fetching(URL) == b"abc"

    def test_a_body_of_too_many_bytes_is_not_read(self) -> None:
        sentence = "The image at this URL has more than 1,000 bytes, the most that are accepted: use a smaller one."
        sent = 0

        def endless(connection: socket.socket) -> None:
            nonlocal sent
            connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            while True:
                connection.sendall(b"400\r\n" + bytes(0x400) + b"\r\n")
                sent += 0x400

        answers = {
            "/declared": HEAD + b"Content-Length: 1001\r\n\r\n",
            "/huge": HEAD + b"Content-Length: 99999999999999999999\r\n\r\n",
            "/endless": endless,
            "/just": response(b"1" * 1000),
        }
        with Site(answers) as site, Fetching(site, limits=ImageLimits(max_bytes=1000)) as fetching:
            for path in ("declared", "huge", "endless"):
                assert refusal(fetching, f"http://images.example/{path}") == sentence
            assert sent < 50_000_000, "the connection was closed"
            assert fetching("http://images.example/just") == b"1" * 1000

    @settings(max_examples=300)
    @given(st.lists(st.binary(max_size=40) | st.sampled_from([HEAD, b"\r\n", b"\r\n\r\n", *BROKEN.values()])))
    def test_whatever_comes_is_refused_or_bytes(self, pieces: list[bytes]) -> None:
        assert fetched(pieces)

    @settings(max_examples=300)
    @given(st.text(max_size=20) | st.builds("{}:{}".format, st.sampled_from(["http", "https", "data", ""]), st.text()))
    def test_wherever_it_redirects_it_is_refused(self, to: str) -> None:
        assert fetched([b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + to.encode() + b"\r\n\r\n"])


def fetched(pieces: list[bytes]) -> bool:
    """Whether bytes are fetched, or refused in a sentence, where a host sends these pieces and then nothing."""
    network = httpcore.MockBackend([piece for piece in pieces if piece])
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    fetcher = Fetcher(MediaSettings(allowed_domains=["images.example"]), Names(), network, trust)
    try:
        return isinstance(fetcher.fetch(URL, Job(timeout=20)), bytes)
    except InvalidInput as error:
        return str(error).startswith("The image at this URL")
    finally:
        fetcher.close()


class TestTLS:
    def test_the_certificate_is_of_the_name_and_not_of_the_address(self, tmp_path: Path) -> None:
        asked: list[str | None] = []
        tls, trust = certificate(tmp_path, "images.example")
        tls.sni_callback = lambda connection, name, context: asked.append(name)
        with Site({"/a.png": response()}, tls) as site, Fetching(site, tls=trust) as fetching:
            assert fetching("https://images.example/a.png") == PNG
            assert fetching.network.connected == [(PUBLIC, 443)]
            assert refusal(fetching, "https://other.example/a.png") == REFUSAL
            assert asked == ["images.example", "other.example"]
            assert site.paths == ["/a.png"], "nothing was asked for beyond the handshake"

    def test_a_connection_is_used_for_no_other_name(self, tmp_path: Path) -> None:
        """Both names have the same address, and the first one's connection is still open."""
        tls, trust = certificate(tmp_path, "images.example")
        answers = {"/a.png": response(), "/b.png": redirect("https://other.example/a.png")}
        with Site(answers, tls) as site, Fetching(site, tls=trust) as fetching:
            assert fetching("https://images.example/a.png") == PNG
            assert refusal(fetching, "https://other.example/a.png") == REFUSAL
            assert refusal(fetching, "https://images.example/b.png") == REFUSAL
            assert site.paths == ["/a.png", "/b.png"]

    def test_nobody_vouches_for_the_certificate(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tls, _ = certificate(tmp_path, "images.example")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        with Site({"/a.png": response()}, tls) as site, Fetching(site) as fetching:
            assert refusal(fetching, "https://images.example/a.png") == REFUSAL
            assert site.paths == []

    def test_what_began_with_tls_goes_on_with_it(self, tmp_path: Path) -> None:
        tls, trust = certificate(tmp_path, "images.example")
        answers = {"/a.png": redirect("http://images.example/b.png")}
        with Site(answers, tls) as site, Fetching(site, tls=trust) as fetching:
            assert refusal(fetching, "https://images.example/a.png") == REFUSAL
            assert fetching.network.connected == [(PUBLIC, 443)]
