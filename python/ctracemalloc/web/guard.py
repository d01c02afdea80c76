"""Whether a request is answered.

Model: with a token, a request that has it is answered, from anywhere. Without one, only this machine may look: the address of
the peer and the name in the Host header must both be of this machine. The second check is against pages of other sites: a
browser on this machine that is led to ANY.NAME, which resolves to 127.0.0.1 meanwhile, sends that name (DNS rebinding). A
request that a proxy has passed on comes from this machine, too, and says so only if the proxy does; so an application that is
mounted behind one needs a token.

What is refused is told in one line, and before any snapshot is taken.
"""

import hmac
import re
from ipaddress import IPv6Address, ip_address

from .messages import Refused, Request
from .settings import Settings

METHODS = ("GET", "HEAD")
LONGEST_PATH = 512  # characters
LONGEST_QUERY = 1024
# By these headers a proxy says that the request is somebody else's.
PASSED_ON = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
LOCAL_NAMES = ("localhost",)
# RFC 9110, 7.2, without the characters that no name of a host has.
HOST = re.compile(r"((?P<name>[a-z0-9._-]+)|\[(?P<address>[0-9a-f]*:[0-9a-f:.]*)\])(:[0-9]*)?")
CHALLENGE = ("WWW-Authenticate", 'Bearer realm="ctracemalloc"')


def check(request: Request, settings: Settings) -> None:
    """Refused, or nothing."""
    if request.method not in METHODS:
        raise Refused(405, "only GET and HEAD", ("Allow", ", ".join(METHODS)))
    if len(request.path) > LONGEST_PATH or len(request.query) > LONGEST_QUERY:
        raise Refused(414, "the path or the query is too long")
    if settings.token is not None:
        check_token(request, settings.token)
    else:
        check_local(request, settings)


def check_token(request: Request, token: bytes) -> None:
    """The time that the comparison takes does not depend on how much of the token is right."""
    scheme, _space, given = request.headers.get("authorization", "").partition(" ")
    sent = given.strip(" ").encode("utf-8", "surrogateescape") if scheme.lower() == "bearer" else b""
    if not hmac.compare_digest(sent, token):
        raise Refused(401, "a token is needed: Authorization: Bearer TOKEN", CHALLENGE)


def check_local(request: Request, settings: Settings) -> None:
    if not is_local_address(request.peer) or any(name in request.headers for name in PASSED_ON):
        raise Refused(403, "only this machine may look, because the program has set no token")
    host = host_of(request.headers.get("host", ""))
    if not (host in LOCAL_NAMES or is_local_address(host) or host in settings.allowed_hosts):
        raise Refused(403, "the Host header is no name of this machine, and not in allowed_hosts")
    if is_of_other_site(request):
        raise Refused(403, "a page of another site asks")


def is_local_address(text: str | None) -> bool:
    try:
        address = ip_address(text or "")
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def host_of(header: str) -> str | None:
    """The name or address in a Host header, without port and brackets, in lower case; None if it has something else."""
    match = HOST.fullmatch(header.strip(" \t").lower())
    return None if match is None else match["name"] or match["address"]


def is_of_other_site(request: Request) -> bool:
    """Does a browser say so? A link that a person has followed is none, but a frame in the page is."""
    site, mode, target = (request.headers.get(f"sec-fetch-{name}") for name in ("site", "mode", "dest"))
    return site not in (None, "none", "same-origin") and (mode, target) != ("navigate", "document")
