"""What a user agent says about itself: a class of device, and whether it is a program.

The library ua-parser knows crawlers by name and systems that are rare. It has no classes of
devices, and takes download tools and feed readers for feature phones, so both come from the short
rules here. Bots that pose as browsers are found by neither.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

DeviceClass = Literal["desktop", "mobile", "tablet", "bot", "other"]

_BOT = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|archiver|preview|fetcher|scan(?:ner)?\b|monitor|uptime|pingdom|lighthouse"
    r"|headless|phantomjs|puppeteer|playwright|selenium|facebookexternalhit|mediapartners|feedfetcher"
    # who is behind it, as programs say and browsers do not; feed readers
    r"|\+\W{0,2}https?:|\w@\w|\bfeed|feedparser|\brss\b|\d+ (?:subscriber|reader)s?\b"
    r"|libwww(?!-FM)|libfetch|http_request|http client|link (?:check|validat)"
    r"|^(?:curl|wget|python|java|go-http|okhttp|ruby|perl|php|node|axios|got|scrapy|httpie|postman)\b",
    re.IGNORECASE,
)
_TABLET = re.compile(r"ipad|tablet(?! pc)|kindle|silk/|playbook|android(?!.*mobile)", re.IGNORECASE)
_MOBILE = re.compile(
    r"mobi|iphone|ipod|android|windows phone|blackberry|midp|opera mini|wap browser|maui",
    re.IGNORECASE,
)
_DESKTOP = re.compile(r"windows (?:nt|9\d)|macintosh|x11|linux|cros|\bmacbook", re.IGNORECASE)
_CRAWLER = "Spider"
_DESKTOPS = ("Windows", "Mac OS X", "FreeBSD", "NetBSD", "OpenBSD", "Solaris")
_PHONES = ("iOS", "Symbian OS", "Nokia Series 40", "BlackBerry OS", "KaiOS", "Firefox OS")


@lru_cache(maxsize=1 << 16)
def classify(user_agent: str) -> tuple[DeviceClass, bool]:
    """The device's class and whether it is a bot."""
    if _BOT.search(user_agent):
        return "bot", True
    # Imported here: its rules take a third of a second, which no command without agents need pay.
    from ua_parser import parse_device, parse_os

    device = parse_device(user_agent)
    if device is not None and device.family == _CRAWLER:
        return "bot", True
    if _TABLET.search(user_agent):
        return "tablet", False
    if _MOBILE.search(user_agent):
        return "mobile", False
    if _DESKTOP.search(user_agent):
        return "desktop", False
    system = parse_os(user_agent)
    if system is not None and system.family in _DESKTOPS:
        return "desktop", False
    if system is not None and system.family in _PHONES:
        return "mobile", False
    return "other", False
