"""Results as CSV: a row a measurement, with what it takes to repeat it."""

import csv
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

APPENDING = threading.Lock()


def rows(path: Path) -> list[dict[str, str]]:
    """The lines of a CSV file; none if it does not exist."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def append(path: Path, record: dict[str, Any]) -> None:
    """Add a line to a CSV file, and the heading if it is the first.

    Raises:
        SystemExit: the file has other columns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with APPENDING, path.open("a", newline="") as file:
        before = rows(path)
        if before and list(before[0]) != list(record):
            raise SystemExit(f"{path} has other columns: {', '.join(before[0])}; move it away")
        writer = csv.DictWriter(file, list(record), lineterminator="\n")
        if not before:
            writer.writeheader()
        writer.writerow(record)


def write(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """Put these lines in place of a CSV file: those of a measurement that is only whole together."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
