#!/usr/bin/env bash
# DuckDB takes a path that is given in a list for a pattern: it reads another file than the one that is named.
#
# Package:    duckdb 2.0.1
# Behaviour:  read_parquet and read_json take a list of files. Each element is a glob, and a file of exactly that
#             name does not come first: ['a[1].parquet'] reads a1.parquet where both exist, and says nothing. A
#             program that lists a folder and hands the names on reads some files twice and others never. A
#             bracket expression of one character stands for the character itself.
# Seen:       ['a[1].parquet'] gives the row of a1.parquet; ['a[[]1].parquet'] that of a[1].parquet
# What we do: `perception.fleet.table.pattern` writes `*`, `?` and `[` of a path as `[*]`, `[?]` and `[[]`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet duckdb==2.0.1
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
from pathlib import Path

import duckdb

for name in ("a1.parquet", "a[1].parquet"):
    duckdb.sql(f"COPY (SELECT '{name}' AS name) TO 'out.parquet' (FORMAT parquet)")
    Path("out.parquet").rename(name)


def read(path):
    return duckdb.execute("SELECT name FROM read_parquet($files)", {"files": [path]}).fetchone()[0]


assert Path("a[1].parquet").exists()
assert read("a1.parquet") == "a1.parquet", "the control"
listed, escaped = read("a[1].parquet"), read("a[[]1].parquet")
print(f"duckdb {duckdb.__version__}: ['a[1].parquet'] reads {listed}; ['a[[]1].parquet'] reads {escaped}")
if (listed, escaped) != ("a1.parquet", "a[1].parquet"):
    raise SystemExit("changed: a listed path is taken otherwise")
PYTHON
