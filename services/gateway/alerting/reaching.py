"""Where somebody wishes to be told in; whether it may be written down, and whether it holds at once, out. Pure."""

import re
from typing import Final

from libs.common.runtime.addresses import Forbidden, Rules, read
from services.gateway.problems import field_problem

TELEGRAM: Final = "telegram"
WEBHOOK: Final = "webhook"
_CHAT: Final = re.compile(r"-?[1-9][0-9]{0,18}")
_PUBLIC: Final = Rules()
"""https on port 443, a name or address of the public internet."""


def check_address(channel: str, recipient: str) -> None:
    """Let pass an address of one of the channels.

    A webhook's name is not resolved here: alerts does so at each message, and connects to what it checked.

    Raises:
        Problem: `invalid_body` for the field at fault.
    """
    if channel == TELEGRAM:
        if not _CHAT.fullmatch(recipient):
            raise field_problem("invalid_body", "recipient", "is no chat id: 1001, or -1001234 for a group")
    elif channel == WEBHOOK:
        try:
            read(recipient, _PUBLIC)
        except Forbidden as e:
            raise field_problem("invalid_body", "recipient", f"nothing may be posted there: {e}") from e
    else:
        raise field_problem("invalid_body", "channel", f"must be one of {TELEGRAM}, {WEBHOOK}")
