"""Whether a database has the tables, constraints and triggers of a store, and nothing that would change its rows.

Who is handed a store by others trusts that answers are never changed in it: a trigger of theirs could do that.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, create_engine, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.reflection import Inspector

from prefrl.store.schema import metadata
from prefrl.store.triggers import protected_by

Layout = dict[str, Any]
"""What there is -> how it is made."""


def difference(connection: Connection) -> str | None:
    """How the database of `connection` differs from a store that was made here, in a few words; None if it does not."""
    sqlite = connection.dialect.name == "sqlite"
    ours = _new_sqlite() if sqlite else _new_postgresql()
    theirs = _sqlite(connection) if sqlite else _postgresql(connection)
    for name in ours.keys() | theirs.keys():
        if name not in theirs:
            return f"its {name} is missing"
        if name not in ours:
            return f"it has the {name}, which is not prefrl's"
        if ours[name] != theirs[name]:
            return f"its {name} is not as prefrl makes it"
    return None


@cache
def _new_sqlite() -> Layout:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        layout = _sqlite(connection)
    engine.dispose()
    return layout


def _sqlite(connection: Connection) -> Layout:
    """All that the file defines but what SQLite made by itself, as the statements that made it.

    Names tell nothing: who may write the schema as a table can give a trigger one that SQLite keeps for itself.
    """
    made = connection.exec_driver_sql(
        "SELECT type, name, sql FROM sqlite_master WHERE NOT (type = 'index' AND sql IS NULL) AND NOT "
        "(type = 'table' AND name IN ('sqlite_sequence', 'sqlite_stat1', 'sqlite_stat4'))"
    )
    return {f"{kind} {name}": " ".join(re.sub(r'["`\[\]]', "", sql or "").split()) for kind, name, sql in made}


def _new_postgresql() -> Layout:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    layout: Layout = {f"table {table.name}": _described(table, dialect) for table in metadata.tables.values()}
    return layout | {f"trigger {name}": made for table in metadata.tables for name, made in protected_by(table).items()}


def _described(table: Table, dialect: Any) -> tuple[Any, ...]:
    types = {c.name: c.type.compile(dialect).replace("FLOAT", "DOUBLE PRECISION") for c in table.columns}
    columns = {c.name: (types[c.name], bool(c.nullable)) for c in table.columns}
    keys = {(k.parent.name, k.column.table.name, k.column.name, k.ondelete) for k in table.foreign_keys}
    unique = {(c.name,) for c in table.columns if c.unique}
    indexed = {(c.name,) for c in table.columns if c.index}
    return columns, [c.name for c in table.primary_key], keys, unique, indexed


def _postgresql(connection: Connection) -> Layout:
    """Our tables, and every trigger and rule on them. A server's database may hold tables of other programs too."""
    names = [*metadata.tables]
    layout: Layout = {f"table {name}": made for name, made in _reflected(inspect(connection), names).items()}
    triggers = text(
        "SELECT t.tgname, pg_get_triggerdef(t.oid), p.prosrc, t.tgenabled FROM pg_trigger t "
        "JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid "
        "WHERE NOT t.tgisinternal AND c.relname = ANY(:names) AND pg_table_is_visible(c.oid)"
    )
    for name, made, body, enabled in connection.execute(triggers, {"names": names}):
        layout[f"trigger {name}"] = re.sub(r" ON \w+\.", " ON ", made), body.strip(), enabled
    rules = text("SELECT rulename FROM pg_rules WHERE tablename = ANY(:names)")
    return layout | {f"rule {name}": True for name in connection.scalars(rules, {"names": names})}


def _reflected(found: Inspector, names: list[str]) -> Layout:
    columns, primary = found.get_multi_columns(filter_names=names), found.get_multi_pk_constraint(filter_names=names)
    foreign = found.get_multi_foreign_keys(filter_names=names)
    unique = found.get_multi_unique_constraints(filter_names=names)
    indexes = found.get_multi_indexes(filter_names=names)
    return {
        table: (
            {c["name"]: (c["type"].compile(found.dialect), bool(c["nullable"])) for c in columns[schema, table]},
            primary[schema, table]["constrained_columns"],
            {pair for key in foreign[schema, table] for pair in _pairs(key)},
            {tuple(c["column_names"]) for c in unique[schema, table]},
            {tuple(i["column_names"]) for i in indexes[schema, table] if "duplicates_constraint" not in i},
        )
        for schema, table in columns
    }


def _pairs(key: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str | None]]:
    for column, referred in zip(key["constrained_columns"], key["referred_columns"], strict=True):
        yield column, key["referred_table"], referred, key["options"].get("ondelete")
