"""Access logs of Apache and nginx: the combined format, and the common one, which lacks two fields.

::

    [vhost] address ident user [time] "request" status bytes ["referrer" "agent" ...]

What is a page view is decided as Matomo's log analytics decides by default: a successful GET (304
counts, it was seen) of something that is neither a static file nor a download; redirects are left
out because their target is logged as well. A whole file fetched by a GET is a download. Matomo
drops everything else; here nothing is dropped, so it becomes ``http_request``, a system event that
no session and no visit counts. Bots stay events and are told by their agent (``is_bot``).

A visitor is a keyed hash of address and agent, as in GoAccess and Matomo, but without a day in it:
whether to cut visits is for sessions to decide. The address is in nothing that is stored.
"""

from __future__ import annotations

import re

from governance.config import Mapping
from ingestion.parser import JsonObject
from ingestion.refusals import Reason, Refusal

_QUOTED = rb'"((?:[^"\\]++|\\.)*+)"'
_LINE = re.compile(
    rb"(?P<who>[^\[]*+)\[(?P<time>[^\]]{1,64})\] " + _QUOTED + rb" (\d{3}|-) (\d{1,19}|-)"
    rb"(?: " + _QUOTED + rb"(?: " + _QUOTED + rb")?)?"
)
_TIME = re.compile(rb"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d{4})")
_ESCAPE = re.compile(rb'\\(?:x([0-9A-Fa-f]{2})|([nrtvbf"\\]))')
_CONTROLS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"b": b"\b", b"f": b"\f"}
_MONTHS = {
    name: f"{number:02}"
    for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)
}
_ADDRESS_LIKE = re.compile(r"[0-9A-Za-z.:_\-\[\]%]+")
# fmt: off
_STATIC = frozenset([
    "gif", "jpg", "jpeg", "png", "bmp", "ico", "svg", "svgz", "webp", "avif", "ttf", "otf", "eot",
    "woff", "woff2", "class", "swf", "css", "js", "mjs", "map", "xml", "json", "webmanifest",
    "txt",
])
_DOWNLOADS = frozenset([
    "7z", "aac", "apk", "arj", "asf", "avi", "azw3", "bin", "bz2", "csv", "deb", "dmg", "doc",
    "docx", "epub", "exe", "flac", "flv", "gz", "gzip", "hqx", "iso", "jar", "md5", "mobi", "mov",
    "mp2", "mp3", "mp4", "mpeg", "mpg", "msi", "msp", "odb", "odf", "odg", "odp", "ods", "odt",
    "ogg", "ogv", "pdf", "phps", "ppt", "pptx", "ra", "ram", "rar", "rpm", "rtf", "sea", "sig",
    "sit", "tar", "tbz", "tgz", "torrent", "wav", "webm", "wma", "wmv", "wpd", "xls", "xlsx",
    "xsd", "z", "zip", "zst",
])
# fmt: on
_SEEN = frozenset((200, 201, 202, 203, 204, 205, 206, 304))

MAPPING = Mapping.model_validate(
    {
        "event_name": "name",
        "event_type": "type",
        "occurred_at": "time",
        "user_id": "user",
        "anonymous_id": {"from": "visitor", "hash": True},
        "platform": {"value": "web"},
        "page_url": "url",
        "referrer": "referrer",
        "user_agent": "agent",
        "properties": {
            "method": "method",
            "status": "status",
            "bytes": "bytes",
            "protocol": "protocol",
        },
    }
)
"""From a parsed line to a native event."""


def parse_line(line: bytes) -> JsonObject:
    """One line of an access log.

    Returns:
        time, visitor (address and agent, to be hashed), user, method, url, protocol, status, bytes,
        referrer, agent, and the name and type of the event it is.

    Raises:
        Refusal: not a line of that format, or not its time.
    """
    found = _LINE.match(line)
    if found is None:
        raise Refusal(Reason.MALFORMED_ROW, "", "not a line of the combined log format")
    who, stamp, request, status, size, referrer, agent = found.groups()
    host, address, user = _who(_text(who).split())
    record: JsonObject = {
        "time": _time(stamp),
        "user": user,
        "status": None if status == b"-" else int(status),
        "bytes": None if size == b"-" else int(size),
        "referrer": _given(referrer),
        "agent": _given(agent),
    }
    record["visitor"] = f"{address} {record['agent'] or ''}"
    record |= _request(_unescaped(request), host)
    record["name"], record["type"] = _event(record)
    return record


def _who(words: list[str]) -> tuple[str | None, str, str | None]:
    """Virtual host, address and user; a user's name may hold blanks."""
    host = None
    if len(words) > 3 and words[2] == "-" and words[1] != "-" and _ADDRESS_LIKE.fullmatch(words[1]):
        host, *words = words
        host = host.rpartition(":")[0] or host
    if len(words) < 3:
        raise Refusal(Reason.MALFORMED_ROW, "", "not a line of the combined log format")
    user = " ".join(words[2:])
    return host, words[0], None if user in ("-", '""') else user


def _time(stamp: bytes) -> str:
    found = _TIME.fullmatch(stamp)
    month = _MONTHS.get(found[2]) if found else None
    if found is None or month is None:
        raise Refusal(Reason.INVALID_TIME, "/time", "not a time such as 17/May/2015:10:05:03 +0000")
    day, _, year, clock, zone = (part.decode() for part in found.groups())
    return f"{year}-{month}-{day}T{clock}{zone}"


def _request(request: bytes, host: str | None) -> JsonObject:
    """Method, address and protocol; none where it is no HTTP, such as TLS on the wrong port."""
    words = _text(request).split(" ")
    if len(words) < 2 or not (words[0].isascii() and words[0].isalpha()):
        return {"method": None, "url": None, "protocol": None}
    protocol = words.pop() if len(words) > 2 and words[-1].startswith("HTTP/") else None
    url = " ".join(words[1:])
    if host and url.startswith("/"):
        url = f"//{host}/{url.lstrip('/')}"
    elif url.startswith("//"):  # a path, which a reader would take for a host
        url = f"/{url.lstrip('/')}"
    return {"method": words[0].upper(), "url": url, "protocol": protocol}


def _event(record: JsonObject) -> tuple[str, str]:
    """Name and type of the event a request is."""
    url, status = record["url"], record["status"]
    if record["method"] != "GET" or url is None or status not in _SEEN:
        return "http_request", "system"
    last = url.partition("?")[0].partition("#")[0].rpartition("/")[2]
    _, dot, ending = last.rpartition(".")
    ending = ending.lower() if dot else ""
    if ending in _STATIC:
        return "http_request", "system"
    if ending in _DOWNLOADS:
        # A part, or what the browser had already: the file was counted when it was fetched.
        return ("file_downloaded", "track") if status == 200 else ("http_request", "system")
    return "page", "page"


def _given(field: bytes | None) -> str | None:
    if field is None or field in (b"-", b""):
        return None
    return _text(_unescaped(field))


def _unescaped(field: bytes) -> bytes:
    """As it was sent: Apache and nginx write quotes and what cannot be printed with a backslash."""
    if b"\\" not in field:
        return field
    return _ESCAPE.sub(_meant, field)


def _meant(escape: re.Match[bytes]) -> bytes:
    code, sign = escape.groups()
    return bytes.fromhex(code.decode()) if code else _CONTROLS.get(sign, sign)


def _text(field: bytes) -> str:
    return field.decode("utf-8", "replace")
