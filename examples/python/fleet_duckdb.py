"""Asks a fleet's Parquet files (fleet_parquet.py) three questions with DuckDB.

usage: fleet_duckdb.py OUT
"""

import sys
import time

import duckdb

QUESTIONS = {
    "Which lines hold the most memory, over all hosts?": """
        SELECT filename, lineno, sum(size) AS bytes, sum(count) AS blocks, count(DISTINCT labels['host']) AS hosts
        FROM sites WHERE count > 0 GROUP BY filename, lineno ORDER BY bytes DESC LIMIT 5
    """,
    "Which processes hold the most?": """
        SELECT labels['host'] AS host, labels['source'] AS source, sum(size) AS bytes
        FROM sites GROUP BY host, source ORDER BY bytes DESC, host, source LIMIT 5
    """,
    "Below which functions was it allocated?": """
        SELECT caller, sum(size) AS bytes FROM (
            SELECT size, unnest(list_distinct([frame.function FOR frame IN traceback])) AS caller
            FROM sites WHERE count > 0
        ) GROUP BY caller ORDER BY bytes DESC, caller LIMIT 5
    """,
}


def main() -> None:
    files = f"{sys.argv[1]}/*.parquet"
    connection = duckdb.connect()
    connection.read_parquet(files).create_view("sites")
    for question, query in QUESTIONS.items():
        start = time.perf_counter()
        answer = connection.sql(query)
        text = str(answer)
        print(f"{question} ({time.perf_counter() - start:.1f} s)")
        print(text)


if __name__ == "__main__":
    main()
