"""Triggers by which the database itself refuses to change rows."""

from sqlalchemy import DDL, Table, event

REFUSAL = "answers are never changed"


def protect(table: Table) -> None:
    """Have `table` made with triggers that let its rows be added and nothing else."""
    for dialect, statements in (("sqlite", _sqlite(table.name)), ("postgresql", _postgresql(table.name))):
        for statement in statements:
            made = DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]
            event.listen(table, "after_create", made.execute_if(dialect=dialect))


def _sqlite(table: str) -> list[str]:
    return [
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        for verb in ("UPDATE", "DELETE")
    ]


def _postgresql(table: str) -> list[str]:
    function = f"{table}_refuse"
    body = f"BEGIN RAISE EXCEPTION '{REFUSAL}'; END"
    return [
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
    ]
