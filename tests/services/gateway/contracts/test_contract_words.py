"""What the document says of fields: the texts of the code, those of structs above included."""

from typing import Annotated

from msgspec import Meta, Struct

from services.gateway.contracts.schemas import Schemas
from services.gateway.contracts.words import words_of


class Above(Struct):
    """A struct."""

    first: int
    """The first."""
    second: int


class Below(Above):
    """One more."""

    third: Annotated[int, Meta(description="its own words")] = 0
    """Not these."""
    fourth: "list[Other] | None" = None
    """The fourth,
    over two lines."""


class Other(Struct):
    """Another."""

    fifth: dict[str, Above]
    """The fifth."""


def test_fields_are_described_by_the_texts_below_them():
    assert words_of([Below]) == {
        "Above": {"first": "The first."},
        "Below": {"first": "The first.", "third": "Not these.", "fourth": "The fourth, over two lines."},
        "Other": {"fifth": "The fifth."},
    }
    fields, _ = Schemas([Below]).fields(Below)
    assert fields["first"]["description"] == "The first."
    assert "description" not in fields["second"]
    assert fields["third"]["description"] == "its own words"
