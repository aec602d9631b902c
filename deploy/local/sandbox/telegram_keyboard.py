"""The `reply_markup` of a call in; the inline keyboard as Telegram keeps it, or its refusal, out."""

from typing import Any, Final

from deploy.local.sandbox.telegram_call import ApiError, Call

MOST_BUTTONS: Final = 100
MOST_DATA_BYTES: Final = 64
_OTHERS: Final = frozenset({"keyboard", "remove_keyboard", "force_reply"})

Rows = list[list[dict[str, str]]]


def read_keyboard(call: Call) -> Rows:
    """Return rows of buttons with `text` and either `callback_data` (1 to 64 bytes) or `url`; none when there are none.

    Raises:
        ApiError: what Telegram refuses.
    """
    given = call.json("reply_markup", "reply keyboard markup")
    if given is None:
        return []
    if not isinstance(given, dict):
        raise ApiError(400, "Bad Request: object expected as reply markup")
    if _OTHERS & given.keys():
        return []  # a keyboard below the input line: nothing of it is on the message
    rows = given.get("inline_keyboard", [])
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise ApiError(
            400, 'Bad Request: field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays'
        )
    kept = [[_button(button) for button in row] for row in rows if row]
    if sum(map(len, kept)) > MOST_BUTTONS:
        raise ApiError(400, "Bad Request: REPLY_MARKUP_TOO_LONG")
    return kept


def _button(given: Any) -> dict[str, str]:
    if not isinstance(given, dict):
        raise ApiError(400, "Bad Request: can't parse inline keyboard button: InlineKeyboardButton must be an Object")
    text = given.get("text")
    if not isinstance(text, str) or not text.strip():
        raise ApiError(400, 'Bad Request: can\'t parse inline keyboard button: field "text" must be non-empty')
    actions = {key: value for key, value in given.items() if key in {"callback_data", "url"}}
    if len(actions) != 1:
        reason = "Text buttons are unallowed in the inline keyboard"
        raise ApiError(400, f"Bad Request: can't parse inline keyboard button: {reason}")
    ((action, value),) = actions.items()
    if action == "callback_data" and not (isinstance(value, str) and 1 <= len(value.encode()) <= MOST_DATA_BYTES):
        raise ApiError(400, "Bad Request: BUTTON_DATA_INVALID")
    if action == "url" and not (isinstance(value, str) and value.startswith(("http://", "https://", "tg://"))):
        raise ApiError(400, "Bad Request: BUTTON_URL_INVALID")
    return {"text": text, action: value}
