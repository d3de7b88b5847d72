"""Fetches images from the hosts that are allowed, redirect by redirect, within bytes and seconds."""

import ssl
from http import HTTPStatus
from urllib.parse import urljoin

import httpcore
import httpx

from engine import Job

from .client import make_client
from .connecting import PublicNetwork, Resolve, resolve, within
from .hosts import host_name
from .refusals import not_fetched, too_large
from .settings import MediaSettings
from .slots import Slots
from .urls import located

MAX_REDIRECTS = 3

_FAULTS = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    OSError,
    ValueError,
)
"""What resolving, connecting, TLS and answers that are no HTTP raise."""


class Fetcher:
    """Fetches for one server; any number of threads may ask."""

    def __init__(
        self,
        settings: MediaSettings,
        resolve: Resolve = resolve,
        network: httpcore.NetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Names are resolved by `resolve`, addresses connected to by `network`, certificates checked as `tls` says.

        Raises `ValueError` where an allowed domain is no host's name.
        """
        self._domains = frozenset(map(host_name, settings.allowed_domains))
        self._timeout = settings.fetch_timeout
        self._max_bytes = settings.limits.max_bytes
        self._slots = Slots(settings.max_concurrent_fetches)
        self._network = PublicNetwork(resolve, network or httpcore.SyncBackend(), settings.max_concurrent_fetches)
        self._client = make_client(self._network, settings.max_concurrent_fetches, settings.fetch_timeout, tls)

    def fetch(self, url: str, job: Job) -> bytes:
        """What an http or https URL answers with. The time while others fetch is the job's alone.

        Raises `InvalidInput`, in the same words for whatever keeps it from being fetched, and the job's own errors.
        """
        with self._slots.taken(job), within(self._timeout, job):
            try:
                return self._fetch(url)
            except _FAULTS:
                job.check()
                raise not_fetched(self._timeout) from None

    def close(self) -> None:
        """Close the connections that are kept."""
        self._client.close()
        self._network.close()

    def _fetch(self, url: str) -> bytes:
        secure = False
        for _ in range(MAX_REDIRECTS + 1):
            location = located(url)
            if location is None or location.host not in self._domains or (secure and location.scheme == "http"):
                break
            secure = location.scheme == "https"
            place = httpx.URL(scheme=location.scheme, host=location.host)
            with self._client.stream("GET", place, extensions={"target": location.target}) as response:
                if not response.has_redirect_location:
                    return self._body(response)
                url = urljoin(location.url, response.headers["location"])
        raise not_fetched(self._timeout)

    def _body(self, response: httpx.Response) -> bytes:
        """Read a body as it is sent: one that is compressed was not asked for, and could grow without bounds."""
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if response.status_code != HTTPStatus.OK or encoding != "identity":
            raise not_fetched(self._timeout)
        if int(response.headers.get("content-length", 0)) > self._max_bytes:
            raise too_large(self._max_bytes)
        body = bytearray()
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > self._max_bytes:
                raise too_large(self._max_bytes)
        return bytes(body)
