"""Tells the public addresses of the internet from those that a server must not be led to."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# https://www.iana.org/assignments/iana-ipv4-special-registry, and networks that are in it by other names.
_REFUSED_IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network; 0.0.0.0 is this host
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared behind carriers' NAT; Alibaba's metadata at 100.100.100.200
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # Azure's WireServer, among public addresses
            "169.254.0.0/16",  # link-local; the metadata of most clouds at 169.254.169.254
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments; Oracle's metadata at 192.0.0.192
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved; broadcast
        ),
    )
)

_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""Everything public is in it. Loopback, private, link-local and multicast addresses are not, nor are those that hold
an IPv4 address in ::/96 and ::ffff:0:0/96, nor the metadata of AWS at fd00:ec2::254 and Google at fd20:ce::254."""

# https://www.iana.org/assignments/iana-ipv6-special-registry, what of it is in 2000::/3.
_REFUSED_IPV6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments; Teredo, which holds two IPv4 addresses
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which holds an IPv4 address
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)

_NAT64 = IPv6Network("64:ff9b::/96")
"""What a network without IPv4 resolves the names of IPv4 hosts to (RFC 6052): as public as the address it holds."""


def is_public(text: str) -> bool:
    """Whether an address, as the resolver writes it, is of a host on the public internet.

    Python's own `is_global` has changed with its versions, so the networks are listed here.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        if address not in _NAT64:
            return address in _GLOBAL_UNICAST and not any(address in network for network in _REFUSED_IPV6)
        address = IPv4Address(int(address) & 0xFFFFFFFF)
    return not any(address in network for network in _REFUSED_IPV4)
