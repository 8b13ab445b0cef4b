"""What a user agent says about itself: a class of device, and whether it is a program.

Small on purpose: five classes need no database of devices that is out of date next month. Bots that
pose as browsers are not found here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

DeviceClass = Literal["desktop", "mobile", "tablet", "bot", "other"]

_BOT = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|archiver|preview|fetcher|scan(?:ner)?\b|monitor|uptime|pingdom|lighthouse"
    r"|headless|phantomjs|puppeteer|playwright|selenium|facebookexternalhit|mediapartners|feedfetcher"
    r"|^(?:curl|wget|python|java|go-http|okhttp|libwww|ruby|perl|php|node|axios|got|scrapy|httpie|postman)\b",
    re.IGNORECASE,
)
_TABLET = re.compile(r"ipad|tablet|kindle|silk/|playbook|android(?!.*mobile)", re.IGNORECASE)
_MOBILE = re.compile(r"mobi|iphone|ipod|android|windows phone|blackberry", re.IGNORECASE)
_DESKTOP = re.compile(r"windows nt|macintosh|x11|linux|cros", re.IGNORECASE)


@lru_cache(maxsize=1 << 14)
def classify(user_agent: str) -> tuple[DeviceClass, bool]:
    """The device's class and whether it is a bot."""
    if _BOT.search(user_agent):
        return "bot", True
    if _TABLET.search(user_agent):
        return "tablet", False
    if _MOBILE.search(user_agent):
        return "mobile", False
    if _DESKTOP.search(user_agent):
        return "desktop", False
    return "other", False
