"""Operations on files: stored series as CSV, lines of JSON or Parquet."""

from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

from libs.common.events import DAY_NS, Timeframe
from services.gateway.access.scopes import Scope
from services.gateway.exporting.datasets import DATASETS, Dataset, Name
from services.gateway.exporting.exporter import Format
from services.gateway.exporting.rows import Selection
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.fields import MAX_NS, AnyOrigin, AnySymbol, AnyVenue
from services.gateway.operations.operation import Download, Example, Operation, Surface
from services.gateway.problems import Problem, field_problem

LONGEST_NS: Final = 31 * DAY_NS

_Moment: TypeAlias = Annotated[
    int, Meta(ge=0, le=MAX_NS, description="Nanoseconds since the epoch, UTC; [from_ns, to_ns)")
]


class ExportWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which rows, and as what."""

    dataset: Annotated[Name, Meta(description="The series")]
    from_ns: _Moment
    to_ns: _Moment
    format: Annotated[Format, Meta(description="Of the file")] = Format.CSV
    symbol: AnySymbol = None
    venue: AnyVenue = None
    origin: AnyOrigin = None
    timeframe: Annotated[Timeframe | None, Meta(description="Of candles: needed; of signals and outcomes: any")] = None
    name: Annotated[
        Annotated[str, Meta(max_length=80, pattern="^[ -~]+$")] | None,
        Meta(description="Of metrics: one of `/v1/metrics`; none: all"),
    ] = None


async def _get(desk: Desk, _caller: Caller, wanted: ExportWanted) -> Download:
    if desk.exporter is None:
        raise Problem("dependency_down", "no files are made here")
    dataset = DATASETS[wanted.dataset]
    _check(dataset, wanted)
    if wanted.symbol is not None and dataset.name is not Name.METRICS:
        await desk.board.choose(wanted.symbol, wanted.venue)  # a symbol that does not exist is not an empty file
    selection = Selection(
        from_ns=wanted.from_ns,
        to_ns=wanted.to_ns,
        symbol=wanted.symbol,
        venue=wanted.venue,
        origin=wanted.origin,
        timeframe=wanted.timeframe,
        name=wanted.name,
    )
    return await desk.exporter.open(dataset, selection, wanted.format)


def _check(dataset: Dataset, wanted: ExportWanted) -> None:
    if wanted.to_ns < wanted.from_ns:
        raise field_problem("invalid_parameter", "to_ns", "is before from_ns; the range is [from_ns, to_ns)")
    if wanted.to_ns - wanted.from_ns > LONGEST_NS:
        raise field_problem("invalid_parameter", "to_ns", "a file holds 31 days at most")
    if dataset.symbol and wanted.symbol is None:
        raise field_problem("invalid_parameter", "symbol", f"is needed for {dataset.name}")
    if dataset.timeframe and wanted.timeframe is None:
        raise field_problem("invalid_parameter", "timeframe", f"is needed for {dataset.name}")
    if wanted.timeframe is not None and "timeframe" not in dataset.columns:
        raise field_problem("invalid_parameter", "timeframe", f"{dataset.name} have none")
    if wanted.name is not None and dataset.name_column is None:
        raise field_problem("invalid_parameter", "name", f"{dataset.name} have none")


_SERIES: Final = "; ".join(f"`{one.name}`: {one.meaning}" for one in DATASETS.values())

EXPORTS: Final = (
    Operation(
        name="exports.get",
        method="GET",
        path="/v1/exports/{dataset}",
        params=ExportWanted,
        answer=Download,
        read=_get,
        scope=Scope.EXPORT,
        summary="A stored series as a file",
        detail="At most 31 days and a million rows, oldest first, the same rows as the lists give, as they stood at "
        "one moment. A file that could not be made to its end breaks off without the end of its transfer. In CSV a "
        "text that a spreadsheet would take for a formula has a `'` in front. The series are "
        f"{_SERIES}.",
        tag="exports",
        example=Example(
            {
                "dataset": "candles",
                "symbol": "BTC-USDT-PERP",
                "timeframe": "1m",
                "from_ns": 1_723_075_200_000_000_000,
                "to_ns": 1_723_161_600_000_000_000,
            }
        ),
        cost=50,
        timeout_s=20.0,
        surfaces=Surface.REST,
        problems=("rate_limited", "unknown_symbol", "unknown_venue"),
    ),
)
