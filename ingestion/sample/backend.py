"""What the shop's servers report about people: verified addresses, money, mail, merged accounts."""

from __future__ import annotations

from random import Random
from typing import Any

from ingestion.sample import catalogue
from ingestion.sample.clock import DAY, HOUR, MINUTE, SECOND, Window
from ingestion.sample.events import Event, Money, Movement
from ingestion.sample.people import REGISTERED_BEFORE, Account, Actor
from ingestion.sample.visits import LETTERS


class Backend:
    """Collects the server's events of one person; what lies after the window is left out."""

    def __init__(self, rng: Random, actor: Actor, window: Window) -> None:
        self.rng = rng
        self.actor = actor
        self.until = window.end - HOUR
        self.window = window
        self.events: list[Event] = []
        self.booked: list[Movement] = []
        self._verified: set[str] = set()

    def report(self, orders: list[Movement], *, uses_shared_address: bool) -> None:
        """Everything the servers say about this person in the window."""
        if self.actor.signed_up_at is None:
            return
        used = self.actor.accounts
        for account in used:
            self._verify(account, shared=uses_shared_address and account is used[0])
            self._subscribe(account)
        if len(used) > 1 and self.actor.merges_accounts:
            self._merge(used[0], used[1])
        for order in sorted(orders, key=lambda order: order.at):
            self._order(order)

    def _emit(
        self,
        name: str,
        at: int,
        account: Account,
        properties: dict[str, Any],
        *,
        kind: str = "track",
        subject: dict[str, Any] | None = None,
        money: Money | None = None,
    ) -> bool:
        """Append an event about an account; False when it lies after the window."""
        if at >= self.until:
            return False
        event = Event(
            event_id=f"evt_{self.rng.getrandbits(96):024x}",
            source="backend",
            name=name,
            kind=kind,
            at=at,
            actor=self.actor,
            user_id=account.user_id,
            properties=properties,
            subject={"user_id": account.user_id} if subject is None else subject,
            money=money,
        )
        if account is self.actor.accounts[0] or self.actor.merges_accounts:
            event.expected = self.actor.key
        else:
            event.why_not = "second_account_never_merged"
        self.events.append(event)
        return True

    def _verify(self, account: Account, *, shared: bool) -> None:
        """Verify the address after sign-up, or in a nightly synchronisation."""
        joined = self.actor.signed_up_at
        assert joined is not None
        if joined == REGISTERED_BEFORE:
            night = self.rng.randrange(max(1, (self.window.end - self.window.start) // DAY // 3))
            at = self.window.start + night * DAY + 150 * MINUTE + self.rng.randrange(20 * MINUTE)
        else:
            at = joined + self.rng.randint(30 * SECOND, 40 * MINUTE)
        subject: dict[str, Any] = {
            "user_id": account.user_id,
            "email": account.email,
            "email_verified": True,
        }
        if self.rng.random() < 0.3:
            subject["phone"] = account.phone
        check = "sync" if joined == REGISTERED_BEFORE else "link"
        done = self._emit(
            "account_verified", at, account, {"check": check}, kind="identify", subject=subject
        )
        if not done:
            return
        self._verified.add(account.user_id)
        if shared:
            self._verify_shared_address(account, at + self.rng.randint(HOUR, 5 * HOUR))
        if self.rng.random() < 0.5:
            self._mail(account, at + self.rng.randint(HOUR, 4 * DAY), "april_news")

    def _verify_shared_address(self, account: Account, at: int) -> None:
        """A business customer also names the shop's support address: a mailbox, not a person."""
        subject = {
            "user_id": account.user_id,
            "email": catalogue.SUPPORT_ADDRESS,
            "email_verified": True,
        }
        properties = {"check": "shared_address"}
        self._emit("account_verified", at, account, properties, kind="identify", subject=subject)
        if self.rng.random() < 0.15:
            only = {"email": catalogue.SUPPORT_ADDRESS, "email_verified": True}
            clicked = {"template": "april_news"}
            if self._emit("email_clicked", at + 2 * HOUR, account, clicked, subject=only):
                self.events[-1].user_id = None
                self.events[-1].expected = None
                self.events[-1].why_not = "hub_identifier_only"

    def _mail(self, account: Account, at: int, template: str) -> None:
        if not self._emit("email_sent", at, account, {"template": template}):
            return
        # The mail provider knows the address alone, spelt as the customer once typed it.
        can_tell = account is self.actor.accounts[0] or self.actor.merges_accounts
        if can_tell and account.user_id in self._verified and self.rng.random() < 0.3:
            spelt = account.email.title() if self.rng.random() < 0.5 else account.email
            only = {"email": spelt, "email_verified": True}
            clicked_at = at + self.rng.randint(MINUTE, DAY)
            if self._emit(
                "email_clicked", clicked_at, account, {"template": template}, subject=only
            ):
                self.events[-1].user_id = None

    def _subscribe(self, account: Account) -> None:
        joined = self.actor.signed_up_at
        if (
            joined == REGISTERED_BEFORE
            and self.actor.role == "customer"
            and self.rng.random() < 0.1
        ):
            length = self.window.end - self.window.start
            at = self.window.start + int(self.rng.random() * length)
            tier, cents = self.rng.choice((("club", 790), ("club_plus", 1490)))
            money = Money(cents, self.actor.country.currency, self._order_id("ren"))
            if self._emit("subscription_renewed", at, account, {"tier": tier}, money=money):
                self.booked.append(Movement(self.actor, account, "renewal", money, at))

    def _merge(self, kept: Account, dropped: Account) -> None:
        at = self.window.start + int(
            self.rng.uniform(0.05, 0.95) * (self.window.end - self.window.start - 2 * HOUR)
        )
        properties = {"previous_id": dropped.user_id, "by": "support"}
        self._emit("accounts_merged", at, kept, properties, kind="alias")

    def _order(self, order: Movement) -> None:
        account, money, at = order.account, order.money, order.at
        payer = {"user_id": account.user_id, "external_ids": {"payments": account.customer_id}}
        properties = {
            "items": 1 + money.cents // 20_000,
            "plan": "business" if self.actor.is_business else "private",
            "payment": "invoice" if self.actor.is_business else "card",
        }
        if not self._emit("order_completed", at, account, properties, subject=payer, money=money):
            return
        self.booked.append(order)
        self._mail(account, at + self.rng.randint(5 * SECOND, 90 * SECOND), "order_confirmation")
        shipped_at = at + self.rng.randint(8 * HOUR, 3 * DAY)
        parcel = {"carrier": self.rng.choice(("parcelo", "swiftbox")), "order_id": money.order_id}
        self._emit("order_shipped", shipped_at, account, parcel)
        if self.rng.random() < 0.09:
            self._refund(order, shipped_at + self.rng.randint(2 * DAY, 9 * DAY))

    def _refund(self, order: Movement, at: int) -> None:
        """Pay back half or all, days later; the provider may know only its own customer."""
        account, money = order.account, order.money
        share, cents = self.rng.choice((("full", money.cents), ("partial", money.cents // 2)))
        back = Money(-cents, money.currency, money.order_id)
        payer: dict[str, Any] = {"external_ids": {"payments": account.customer_id}}
        knows_user = self.rng.random() < 0.5
        if knows_user:
            payer["user_id"] = account.user_id
        if self._emit("refund_issued", at, account, {"share": share}, subject=payer, money=back):
            if not knows_user:
                self.events[-1].user_id = None
            self.booked.append(Movement(self.actor, account, "refund", back, at))

    def _order_id(self, prefix: str) -> str:
        return f"{prefix}_" + "".join(self.rng.choice(LETTERS) for _ in range(12))


def stock_counts(rng: Random, window: Window) -> list[Event]:
    """System events about goods: the wire says ``"subject": {}``, and nobody did them."""
    events = []
    for at in range(window.start + 5 * HOUR, window.end - HOUR, 6 * HOUR):
        product = rng.choice(catalogue.PRODUCTS)
        events.append(
            Event(
                event_id=f"evt_{rng.getrandbits(96):024x}",
                source="backend",
                name="stock_counted",
                kind="system",
                at=at,
                actor=None,
                properties={"sku": product.sku, "units": rng.randint(0, 80)},
                subject={},
                why_not="no_identifier",
            )
        )
    return events
