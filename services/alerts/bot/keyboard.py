"""A claimed alert in; the buttons below it, bound to the chat it goes to, out. Pure but for the key.

The same alert has the same buttons each time it is sent; the buttons of an edit are those of the message it changes.
"""

import re
from collections.abc import Callable
from typing import Final

from libs.common.conditions.subjects import Kind
from libs.common.events import DAY_NS, SECOND_NS
from services.alerts.bot.command import CHANNEL, Keyboard
from services.alerts.channels.channel import Button
from services.alerts.policy import callbacks
from services.alerts.policy.callbacks import Action, Press
from services.alerts.store.rows import Claim

KEPT_NS: Final = 7 * DAY_NS
_ID: Final = re.compile(r"[0-9a-f]{32}")
_CHAT: Final = re.compile(r"-?[1-9][0-9]{0,17}")
_ROWS: Final = (
    (("Evidence", Action.EVIDENCE), ("Chart", Action.CHART), ("Mute 4 h", Action.MUTE)),
    (("Useful", Action.USEFUL), ("Not useful", Action.USELESS)),
)
_VOTES: Final = frozenset({Action.USEFUL, Action.USELESS})


def keyboards(key: bytes, *, pictures: bool = True) -> Callable[[Claim], Keyboard]:
    """Return what makes the buttons of alerts; without `pictures` nobody is offered a chart."""

    def of(claim: Claim) -> Keyboard:
        return keyboard_of(claim, key, pictures=pictures)

    return of


def keyboard_of(claim: Claim, key: bytes, *, pictures: bool = True) -> Keyboard:
    """Return the buttons of an alert about a signal on Telegram; of any other none."""
    name = claim.edits or claim.alert_id
    if claim.channel != CHANNEL or claim.kind != Kind.SIGNAL or not claim.signal_id:
        return ()
    if not _ID.fullmatch(name) or not _CHAT.fullmatch(claim.address):
        return ()  # a public channel's @name: nobody presses there under a name of their own
    rows = [[(text, action) for text, action in row if pictures or action is not Action.CHART] for row in _ROWS]
    return tuple(tuple(Button(text, _data(claim, name, action, key)) for text, action in row) for row in rows)


def _data(claim: Claim, name: str, action: Action, key: bytes) -> str:
    story = "vote" if action in _VOTES else action.name  # of both votes one counts
    press = Press(
        action=action,
        expires_s=(claim.created_ns + KEPT_NS) // SECOND_NS,
        nonce=callbacks.nonce_of(key, f"{story} {name}"),
        subject=bytes.fromhex(name),
    )
    return callbacks.pack(press, key, chat_id=int(claim.address))
