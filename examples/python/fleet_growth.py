"""Which line grows, on which hosts, since which release? Asked of the files of fleet_scrape.py, with DuckDB or with Spark.

usage: fleet_growth.py OUT [--spark]

A line grows on a host if it holds more the longer the host runs: its slope over time, by least squares, is positive in all that
was seen after the first look, when the program was warm, and would make most of what the line holds now. "Since" is the release
with the first look at which such a host was seen, whatever the names of releases are; of several in that look the shortest name
that comes first.

Needs duckdb, or pyspark and Java.
"""

import sys

# Both engines know this SQL.
QUESTION = """
    WITH looks AS (
        SELECT CAST(labels['time'] AS DOUBLE) AS time, labels['host'] AS host, labels['release'] AS release,
               filename, lineno, CAST(sum(size) AS DOUBLE) AS bytes
        FROM sites WHERE count > 0 GROUP BY labels['time'], labels['host'], labels['release'], filename, lineno
    ), warm AS (
        SELECT * FROM looks WHERE time > (SELECT min(time) FROM looks)
    ), lines AS (
        SELECT filename, lineno, release, host, regr_slope(bytes, time) AS slope, max(bytes) - min(bytes) AS growth,
               min(time) AS began, max(time) - min(time) AS seconds, max(bytes) AS most
        FROM warm GROUP BY filename, lineno, release, host HAVING count(*) > 2
    )
    SELECT filename, lineno, min_by(release, (began, length(release), release)) AS since, count(DISTINCT host) AS number,
           sum(slope) * 60 AS growth, array_agg(DISTINCT host) AS hosts
    FROM lines WHERE slope * seconds > 0.5 * growth AND growth > 0.25 * most AND most > 65536
    GROUP BY filename, lineno ORDER BY growth DESC LIMIT 5
"""


def ask_duckdb(out):
    import duckdb

    connection = duckdb.connect()
    connection.read_parquet(f"{out}/*.parquet").create_view("sites")
    return connection.sql(QUESTION).fetchall()


def ask_spark(out):
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[1]").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    spark.read.parquet(f"{out}/*.parquet").createOrReplaceTempView("sites")
    rows = [tuple(row) for row in spark.sql(QUESTION).collect()]
    spark.stop()
    return rows


def main():
    ask = ask_spark if "--spark" in sys.argv[2:] else ask_duckdb
    for filename, lineno, since, number, growth, hosts in ask(sys.argv[1]):
        line, on = f"{'/'.join(filename.split('/')[-2:])}:{lineno}", ", ".join(sorted(hosts))
        print(f"{line}  since {since}  {growth / 1024:,.0f} KiB a minute on {number} hosts: {on}")


if __name__ == "__main__":
    main()
