import pytest

from ingestion.user_agent import classify

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
IPAD = "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
TABLET_PC = "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; Tablet PC 2.0)"
YANDEX = "Mozilla/5.0 (compatible; YandexImages/3.0; +http://yandex.com/bots)"


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (CHROME, "desktop"),
        (IPHONE, "mobile"),
        (IPAD, "tablet"),
        (TABLET_PC, "desktop"),
        ("Opera/9.80 (MTK; Opera Mini/2.1199/34.1244; U; id) Presto/2.8.119", "mobile"),
        ("ELinks (0.4.3; NetBSD 3.0.2_PATCH sparc64; 141x19)", "desktop"),
        ("-", "other"),
        ("", "other"),
    ],
)
def test_classes_of_devices(agent: str, device: str):
    assert classify(agent) == (device, False)


@pytest.mark.parametrize(
    "agent",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        YANDEX,
        "nutch-1.4/Nutch-1.4",  # known to the library alone
        "Mozilla/5.0 (Windows NT 6.1; rv:6.0) Gecko/20110814 Firefox/6.0 Google favicon",
        "curl/8.5.0",
        "Tiny Tiny RSS/1.11 (http://tt-rss.org/)",
        "binlar_2.6.3 (test@mgmt.mic)",
    ],
)
def test_programs_are_bots(agent: str):
    assert classify(agent) == ("bot", True)
