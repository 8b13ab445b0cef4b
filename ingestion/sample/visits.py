"""What a person does during one visit on one device: browse, sign up, log in, buy, leave.

The builder keeps the time, the log-in state of the device and the wire's identifiers; which
visits happen, and whether a rule can tell who made them, is decided by ``devices``.
"""

from __future__ import annotations

from random import Random
from typing import Any

from ingestion.sample import catalogue
from ingestion.sample.catalogue import Product
from ingestion.sample.clock import SECOND
from ingestion.sample.events import DENIED_BY_LEDGER, Event, Money, Movement
from ingestion.sample.people import Account, Actor, Device, uuid

LETTERS = "bcdfghjkmnpqrstvwxz"
QUERIES = ("tent two persons", "rain jacket", "boots 42", "light stove", "gift for a hiker")
TYPED_BY_ACCIDENT = (
    "my card is 4111 1111 1111 1111",
    "call me on +49 30 901820",
    "anna.b@mail.example",
)


class Visit:
    """A visit in the making; ``events`` come out in true order."""

    def __init__(
        self, rng: Random, actor: Actor, device: Device, start: int, user_id: str | None
    ) -> None:
        self.rng = rng
        self.actor = actor
        self.device = device
        self.at = start
        self.user_id = user_id
        self.events: list[Event] = []
        self.movements: list[Movement] = []
        self.why_not: str | None = None  # set while no rule could tell who acts
        self.campaign = catalogue.pick_campaign(rng) if device.source == "web" else None

    def browse(self, steps: int) -> None:
        """Look around: views, a search, now and then a wish or a basket that is emptied."""
        for _ in range(steps):
            draw = self.rng.random()
            product = self.rng.choice(catalogue.PRODUCTS)
            if draw < 0.34:
                self._look(f"/c/{product.category}" if draw < 0.26 else "/")
            elif draw < 0.78:
                self._view(product)
            elif draw < 0.88:
                self._search()
            elif draw < 0.92:
                self._track("wishlist_added", _article(product))
            elif draw < 0.965:
                self._track("add_to_cart", _article(product) | {"quantity": 1})
            elif draw < 0.985:
                self._track("cart_emptied", {"items": self.rng.randint(1, 3)})
            elif draw < 0.995:
                self._track("promo_banner_closed", {"banner": "spring"})  # nobody planned this one
            else:
                message = self.rng.choice(TYPED_BY_ACCIDENT)
                self._track("support_requested", {"topic": "delivery", "message": message})

    def sign_up(self, account: Account) -> None:
        """Register: from here on the device knows its user."""
        self._look("/account/new")
        self._track("sign_up_started", {"method": "email"})
        self.user_id = account.user_id
        self._track("sign_up", {"method": "email", "plan": self._plan()}, pause=25 * SECOND)
        self.actor.signed_up_at = self.events[-1].at
        self._identify(account)

    def log_in(self, account: Account) -> None:
        """Log in; every later event of the visit carries the user id."""
        self.user_id = account.user_id
        self.why_not = None
        self._track("login", {"method": "email"})
        self._identify(account)

    def log_out(self, *, names_user: bool = True) -> None:
        """Log out properly; the device forgets its user."""
        user_id = self.user_id
        if not names_user:
            self.user_id = None
        self._track("logout", {})
        self.user_id = None
        assert user_id is not None

    def buy(self, account: Account) -> None:
        """View, add, check out, pay; the client reports the order, the backend's word counts."""
        lines = [
            self.rng.choice(catalogue.PRODUCTS) for _ in range(self.rng.choice((1, 1, 1, 2, 3)))
        ]
        for product in lines:
            self._view(product)
            self._track("add_to_cart", _article(product) | {"quantity": 1})
        if self.rng.random() < 0.05:
            self._track("cart_emptied", {"items": len(lines)})
            return
        self._look("/checkout")
        self._track("checkout_started", {"items": len(lines)})
        if self.rng.random() < 0.25:
            return
        cents = sum(product.cents for product in lines)
        order_id = "ord_" + "".join(self.rng.choice(LETTERS) for _ in range(12))
        money = Money(cents, self.actor.country.currency, order_id)
        properties = {"items": len(lines), "plan": self._plan(), "payment": "card"}
        self._track("order_completed", properties, pause=40 * SECOND)
        self.events[-1].money = money
        booked_at = self.at + self.rng.randint(800, 3_500)
        self.movements.append(Movement(self.actor, account, "order", money, booked_at))

    def merge_claim(self, victim: str) -> None:
        """Claim, from a browser anybody can script, to be somebody else: it must change nothing."""
        self._emit("alias", "alias", {"previous_id": victim})

    def _plan(self) -> str:
        return "business" if self.actor.is_business else "private"

    def _identify(self, account: Account) -> None:
        traits = {"email": account.email, "name": self.actor.name, "plan": self._plan()}
        self._emit("identify", "identify", traits, pause=2 * SECOND)

    def _look(self, path: str) -> None:
        if self.device.source == "web":
            self._emit("page", "page", {"path": path, "title": f"Larkfield {path}"}, path)
        else:
            screen = {"/": "Home", "/checkout": "Checkout"}.get(path, "Listing")
            self._emit("screen", "screen", {"name": screen}, screen)

    def _view(self, product: Product) -> None:
        self._track("product_viewed", _article(product))

    def _search(self) -> None:
        query = self.rng.choice(QUERIES if self.rng.random() < 0.98 else TYPED_BY_ACCIDENT)
        self._track("product_searched", {"query": query, "results": self.rng.randint(0, 24)})

    def _track(self, name: str, properties: dict[str, Any], *, pause: int = 0) -> None:
        self._emit(name, "track", properties, pause=pause)

    def _emit(
        self,
        name: str,
        kind: str,
        properties: dict[str, Any],
        place: str | None = None,
        *,
        pause: int = 0,
    ) -> None:
        """Append an event some seconds later; two events of a device are never closer than 4 s.

        Network delays differ by less than 1 s, so correcting the clock cannot change the order.
        """
        self.at += pause + 4 * SECOND + int(self.rng.expovariate(1 / 28_000)) % (400 * SECOND)
        reason = self.actor.consent.strip_reason(self.at)
        if reason == "unreadable" and self.device.source == "mobile":
            reason = "missing"  # the app cannot say "pending": it says nothing
        withdrawn = self.actor.withdrawal
        if reason is None and self.user_id and withdrawn and withdrawn.covers(self.at):
            reason = DENIED_BY_LEDGER
        event = Event(
            event_id=uuid(self.rng),
            source=self.device.source,
            name=name,
            kind=kind,
            at=self.at,
            actor=self.actor,
            device=self.device,
            user_id=self.user_id,
            properties=properties,
            place=place,
            campaign=self.campaign,
            why_not=self.why_not,
        )
        if reason:
            event.fate, event.fate_reason, event.why_not = "stripped", reason, "stripped"
        self.events.append(event)


def _article(product: Product) -> dict[str, Any]:
    return {
        "sku": product.sku,
        "category": product.category,
        "price": product.cents / 100,
    }
