"""Two documents of one API, older and newer: what of the newer breaks who was written for the older. Pure.

OpenAPI 3.1 and AsyncAPI 3. What is sent to us may only be taken more widely, what we answer may only say more: a new
operation, an optional parameter, one more field or word of an answer break nobody.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from msgspec import Struct

from services.gateway.contracts.shapes import Shapes, answered, sent

Document: TypeAlias = dict[str, Any]

_METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


class Break(Struct, frozen=True, order=True):
    """One broken promise."""

    where: str
    """`GET /v1/signals limit`."""
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def breaking_changes(old: Document, new: Document) -> list[Break]:
    """Return every promise of `old` that `new` does not keep; none: whoever used the old one may use the new one."""
    shapes = Shapes(old, new)
    found = [*_openapi(shapes), *_asyncapi(shapes)]
    return sorted(set(found))


def _openapi(shapes: Shapes) -> Iterator[Break]:
    old_paths, new_paths = shapes.old.get("paths", {}), shapes.new.get("paths", {})
    for path, old_item in old_paths.items():
        for method in sorted(_METHODS & set(old_item)):
            where = f"{method.upper()} {path}"
            old_operation, new_operation = old_item[method], new_paths.get(path, {}).get(method)
            if new_operation is None:
                yield Break(where, "is gone")
                continue
            yield from _operation(shapes, where, old_operation, new_operation)


def _operation(shapes: Shapes, where: str, old: Document, new: Document) -> Iterator[Break]:
    if old.get("operationId") != new.get("operationId"):
        yield Break(where, f"operationId was {old.get('operationId')} and is {new.get('operationId')}")
    for name in sorted({name for name in (*old, *new) if name.startswith("x-csx-scope")}):
        if old.get(name) != new.get(name):
            yield Break(where, f"needs another scope: {new.get(name)} for {old.get(name)}")
    if _secured(new, shapes.new) and not _secured(old, shapes.old):
        yield Break(where, "needs credentials now")
    yield from _parameters(shapes, where, old, new)
    yield from _body(shapes, where, old.get("requestBody"), new.get("requestBody"))
    yield from _responses(shapes, where, old.get("responses", {}), new.get("responses", {}))


def _secured(operation: Document, document: Document) -> bool:
    ways: Any = operation["security"] if "security" in operation else document.get("security")
    return bool(ways) and {} not in ways


def _parameters(shapes: Shapes, where: str, old: Document, new: Document) -> Iterator[Break]:
    before = {(one["in"], one["name"]): one for one in map(shapes.of_old, old.get("parameters", ()))}
    after = {(one["in"], one["name"]): one for one in map(shapes.of_new, new.get("parameters", ()))}
    for key, one in before.items():
        here = f"{where} {key[1]}"
        if key not in after:
            yield Break(here, "is no parameter any more")
            continue
        if after[key].get("required") and not one.get("required"):
            yield Break(here, "is needed now")
        yield from _sent(shapes, here, one.get("schema", {}), after[key].get("schema", {}))
    for key, one in after.items():
        if key not in before and one.get("required"):
            yield Break(f"{where} {key[1]}", "is needed now")


def _body(shapes: Shapes, where: str, old: Document | None, new: Document | None) -> Iterator[Break]:
    before, after = shapes.of_old(old or {}), shapes.of_new(new or {})
    here = f"{where} body"
    if after.get("required") and not before.get("required"):
        yield Break(here, "is needed now")
    for media, content in before.get("content", {}).items():
        if media not in after.get("content", {}):
            yield Break(here, f"{media} is not taken any more")
            continue
        yield from _sent(shapes, here, content.get("schema", {}), after["content"][media].get("schema", {}))


def _responses(shapes: Shapes, where: str, old: Document, new: Document) -> Iterator[Break]:
    for status, response in old.items():
        here = f"{where} {status}"
        if status not in new:
            if status < "400":
                yield Break(here, "is not answered any more")
            continue
        before, after = shapes.of_old(response), shapes.of_new(new[status])
        for name in sorted(set(before.get("headers", {})) - set(after.get("headers", {}))):
            yield Break(here, f"the header {name} is gone")
        for media, content in before.get("content", {}).items():
            if media not in after.get("content", {}):
                yield Break(here, f"{media} is not answered any more")
                continue
            yield from _answered(shapes, here, content.get("schema", {}), after["content"][media].get("schema", {}))
    for status in sorted(set(new) - set(old)):
        if status < "400":
            yield Break(f"{where} {status}", "is a new way to succeed")


def _asyncapi(shapes: Shapes) -> Iterator[Break]:
    old_channels, new_channels = shapes.old.get("channels", {}), shapes.new.get("channels", {})
    for name, channel in old_channels.items():
        where = f"channel {name}"
        if name not in new_channels:
            yield Break(where, "is gone")
            continue
        if channel.get("address") != new_channels[name].get("address"):
            yield Break(where, f"is at {new_channels[name].get('address')} and was at {channel.get('address')}")
    old_operations, new_operations = shapes.old.get("operations", {}), shapes.new.get("operations", {})
    for name, old in old_operations.items():
        where, new = f"operation {name}", new_operations.get(name)
        if new is None:
            yield Break(where, "is gone")
        elif old.get("action") != new.get("action"):
            yield Break(where, f"does {new.get('action')} and did {old.get('action')}")
        else:
            yield from _messages(shapes, where, old, new)


def _messages(shapes: Shapes, where: str, old: Document, new: Document) -> Iterator[Break]:
    before = {_last(one): shapes.of_old(one) for one in _said(old, shapes.of_old)}
    after = {_last(one): shapes.of_new(one) for one in _said(new, shapes.of_new)}
    compare = _answered if old.get("action") == "send" else _sent
    for name, message in before.items():
        here = f"{where} {name}"
        if name not in after:
            yield Break(here, "is gone")
            continue
        yield from compare(shapes, here, message.get("payload", {}), after[name].get("payload", {}))


def _said(operation: Document, resolve: Any) -> list[Document]:
    """Return the references to an operation's messages; without a list they are all those of its channel."""
    if "messages" in operation:
        return list(operation["messages"])
    channel = resolve(operation.get("channel", {}))
    return [one if "$ref" in one else {"name": name, **one} for name, one in channel.get("messages", {}).items()]


def _last(reference: Document) -> str:
    return str(reference.get("$ref", reference.get("name", ""))).rsplit("/", 1)[-1]


def _sent(shapes: Shapes, where: str, old: Document, new: Document) -> Iterator[Break]:
    for at, what in sent(shapes, old, new):
        yield Break(f"{where}{at}", what)


def _answered(shapes: Shapes, where: str, old: Document, new: Document) -> Iterator[Break]:
    for at, what in answered(shapes, old, new):
        yield Break(f"{where}{at}", what)
