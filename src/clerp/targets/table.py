"""`table`: a labelled graph for data frames and spreadsheets, as CSV or Parquet."""

import csv
import io
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from clerp.errors import PluginError, UsageError
from clerp.graph import AttributionGraph
from clerp.graph.writing import write_atomically
from clerp.spreadsheet import disarm
from clerp.targets.node_rows import Column, Value, list_columns

_PARQUET = ".parquet"


class Table:
    """Writes one row for each feature node.

    Text in CSV stands in quotes, since spreadsheets of some countries also split at semicolons;
    what they would run gets an apostrophe in front. Parquet has it as it is.
    """

    name = "table"
    suffix = ".csv"

    def check_name(self, path: Path) -> None:
        """Check that the name says in which form to write, and that it can be written.

        Raises:
            UsageError: It ends otherwise.
            PluginError: Parquet is asked for without pyarrow.
        """
        if path.suffix.lower() not in (".csv", _PARQUET):
            raise UsageError(
                "is neither .csv nor .parquet",
                where=str(path),
                remedy="Name a file of one of the two",
            )
        if path.suffix.lower() == _PARQUET and find_spec("pyarrow") is None:
            raise PluginError(
                "Parquet needs the module 'pyarrow', which is not installed",
                where=str(path),
                remedy="Run: pip install pyarrow, or name a .csv file",
            )

    def check_folder(self, folder: Path) -> None:
        """Accept any folder."""

    def check_graph(self, graph: AttributionGraph) -> None:
        """Accept any graph."""

    def write(self, graph: AttributionGraph, document: Mapping[str, Any], path: Path) -> None:
        """Write the table.

        Raises:
            UsageError: The name is of another form.
            PluginError: Parquet is asked for without pyarrow.
            GraphError: What the document says of its labels is not as clerp writes it, or its
                viewer settings cannot be read.
            OutputError: It could not be written.
        """
        self.check_name(path)
        columns = list_columns(graph, document)
        form = _write_parquet if path.suffix.lower() == _PARQUET else _write_csv
        write_atomically(form(columns), path)

    def list_notes(
        self, graph: AttributionGraph, document: Mapping[str, Any], path: Path
    ) -> tuple[str, ...]:
        """Return nothing: a table shows all of it."""
        return ()


def _write_csv(columns: Sequence[Column]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow([disarm(column.name) for column in columns])
    rows = zip(*(column.values for column in columns), strict=True)
    writer.writerows([_write_cell(value) for value in row] for row in rows)
    # Spreadsheets take a file without a mark for one in a code page.
    return text.getvalue().encode("utf-8-sig")


def _write_cell(value: Value) -> str | int | float:
    if value is None:
        return ""
    return disarm(value) if isinstance(value, str) else value


def _write_parquet(columns: Sequence[Column]) -> bytes:
    # Neither has types.
    pyarrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    kinds = {"text": pyarrow.string(), "whole": pyarrow.int64(), "number": pyarrow.float64()}
    arrays = {
        column.name: pyarrow.array(column.values, type=kinds[column.kind]) for column in columns
    }
    content = io.BytesIO()
    parquet.write_table(pyarrow.table(arrays), content)
    return content.getvalue()
