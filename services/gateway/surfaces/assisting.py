"""An operation for an assistant: flat parameters in; an answer that fits, with others' texts in quotes, out."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import structs

from services.gateway.contracts.gpt import MOST_CHARACTERS
from services.gateway.contracts.others import quote, texts_of
from services.gateway.operations.call import call_encoded, perform
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.operation import Operation
from services.gateway.operations.parsing import parse
from services.gateway.problems import field_problem
from services.gateway.surfaces.cutting import Plain, fit, length, read

ROWS: Final = 50
"""Rows of a list where none are asked for: an assistant reads every one of them."""


class Offer:
    """An operation as assistants are offered it."""

    def __init__(self, operation: Operation[Any, Any]) -> None:
        fields = {one.encode_name: one for one in structs.fields(operation.params)}
        self.operation = operation
        self._texts = texts_of(operation.answer) if operation.answer is not None else {}
        self._limited = "limit" in fields
        self._rows = self._limited and not fields["limit"].required and fields["limit"].default > ROWS
        self._pages = "cursor" in fields

    async def answer(self, desk: Desk, caller: Caller, given: Mapping[str, object], *, texts: bool) -> Plain:
        """Return the answer as JSON would decode it, at most 60,000 characters long.

        Args:
            desk: what operations work with.
            caller: who asks.
            given: parameters by name.
            texts: the values are texts, as in a query.

        Raises:
            Problem: as the operation, or the cursor is none.
        """
        wanted = dict(given)
        skipped = None
        if not self._pages and "cursor" in wanted:
            cursor = wanted.pop("cursor")
            if not isinstance(cursor, str):
                raise field_problem("invalid_parameter", "cursor", "must be a text")
            skipped = read(cursor)
        if self._rows:
            wanted.setdefault("limit", str(ROWS) if texts else ROWS)
        params = parse(self.operation.params, wanted, texts=texts)
        kept = await call_encoded(desk, caller, self.operation, params)
        plain = self._quoted(kept.body)
        if self._limited:
            plain = await self._fewer(desk, caller, params, plain)
        return fit(plain, MOST_CHARACTERS, skipped)

    async def _fewer(self, desk: Desk, caller: Caller, params: Any, plain: Plain) -> Plain:
        """Ask for fewer rows until they fit: the operation's own cursor then leads on."""
        while params.limit > 1 and (found := length(plain)) > MOST_CHARACTERS:
            limit = max(1, min(params.limit // 2, params.limit * MOST_CHARACTERS * 9 // (found * 10)))
            params = structs.replace(params, limit=limit)
            plain = self._quoted(msgspec.json.encode(await perform(desk, caller, self.operation, params)))
        return plain

    def _quoted(self, body: bytes) -> Plain:
        plain: Any = quote(msgspec.json.decode(body), self._texts)
        return plain if isinstance(plain, dict) else {"answer": plain}
