"""Triggers by which the database itself refuses to change rows."""

from sqlalchemy import DDL, Table, event

REFUSAL = "answers are never changed"
_BODY = f"BEGIN RAISE EXCEPTION '{REFUSAL}'; END"

PROTECTED: set[str] = set()
"""Tables that have triggers."""


def protect(table: Table) -> None:
    """Have `table` made with triggers that let its rows be added and nothing else."""
    PROTECTED.add(table.name)
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
    return [
        f"CREATE OR REPLACE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {_BODY} $$",
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()",
    ]


def protected_by(table: str) -> dict[str, tuple[str, str, str]]:
    """Trigger of PostgreSQL on `table` -> how the server tells it: its definition, its function, whether it is on."""
    if table not in PROTECTED:
        return {}
    made = (
        f"CREATE TRIGGER {table}_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()"
    )
    return {f"{table}_no_change": (made, _BODY, "O")}
