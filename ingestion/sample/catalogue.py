"""What the sample company sells, where its customers live and what their software calls itself."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

SITE = "https://shop.larkfield.example"
SUPPORT_ADDRESS = "support@larkfield.example"
STAFF_USER_ID = "u_staff"
NIL_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Product:
    """One article; the price is in hundredths of whatever currency it is sold in."""

    sku: str
    name: str
    category: str
    cents: int


@dataclass(frozen=True, slots=True)
class Country:
    """Where a customer lives and pays."""

    code: str
    currency: str
    locale: str
    time_zone: str
    utc_offset_hours: int
    phone_prefix: str
    weight: float


@dataclass(frozen=True, slots=True)
class Campaign:
    """Where a visit came from; empty strings are a direct visit."""

    source: str
    medium: str
    name: str
    referrer: str
    weight: float


_LINES = {
    "tents": ("Hut", 18900),
    "packs": ("Carry", 8900),
    "stoves": ("Ember", 5450),
    "boots": ("Tread", 13900),
    "lamps": ("Glow", 2995),
    "bottles": ("Sip", 1790),
    "maps": ("Trail", 1250),
    "jackets": ("Shell", 21500),
}
PRODUCTS = tuple(
    Product(f"LF-{line[:2].upper()}{size}", f"{stem} {size}", line, base * size + 10 * size)
    for line, (stem, base) in _LINES.items()
    for size in (1, 2, 3, 4)
)

COUNTRIES = (
    Country("DE", "EUR", "de-DE", "Europe/Berlin", 2, "+49151", 0.34),
    Country("FR", "EUR", "fr-FR", "Europe/Paris", 2, "+33612", 0.14),
    Country("NL", "EUR", "nl-NL", "Europe/Amsterdam", 2, "+31612", 0.08),
    Country("GB", "GBP", "en-GB", "Europe/London", 1, "+44770", 0.16),
    Country("US", "USD", "en-US", "America/New_York", -4, "+12025", 0.16),
    Country("CH", "CHF", "de-CH", "Europe/Zurich", 2, "+41791", 0.05),
    Country("SE", "SEK", "sv-SE", "Europe/Stockholm", 2, "+46701", 0.07),
)

CAMPAIGNS = (
    Campaign("", "", "", "", 0.42),
    Campaign("", "", "", "https://www.google.com/", 0.2),
    Campaign("google", "cpc", "spring_tents", "https://www.google.com/", 0.13),
    Campaign("newsletter", "email", "april_news", "", 0.12),
    Campaign("instagram", "social", "trail_stories", "https://www.instagram.com/", 0.08),
    Campaign("partner", "affiliate", "hut_reviews", "https://huts.example/reviews", 0.05),
)

BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/134.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_4) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.4 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:136.0) Gecko/20100101 Firefox/136.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/134.0.0.0 Mobile Safari/537.36",
)
BOTS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "HeadlessChrome/134.0.0.0 Safari/537.36",
)
APP_AGENTS = {
    "ios": "Larkfield/3.8.1 (iPhone; iOS 18.3)",
    "android": "Larkfield/3.8.0 (Linux; Android 15; Pixel 8)",
}

GIVEN_NAMES = ("Anna", "Ben", "Carla", "David", "Elin", "Felix", "Grace", "Hugo", "Ines", "Jonas")
FAMILY_NAMES = (
    "Berg",
    "Carter",
    "Dubois",
    "Evans",
    "Fischer",
    "Garcia",
    "Holm",
    "Jansen",
    "Keller",
)
MAIL_DOMAINS = ("mail.example", "post.example", "inbox.example")


def pick_country(rng: Random) -> Country:
    """A country by its share of customers."""
    return rng.choices(COUNTRIES, [c.weight for c in COUNTRIES])[0]


def pick_campaign(rng: Random) -> Campaign:
    """How a visit was won, by its share of visits."""
    return rng.choices(CAMPAIGNS, [c.weight for c in CAMPAIGNS])[0]
