"""Asks a fleet's Parquet files (fleet_parquet.py) three questions with Spark.

usage: fleet_spark.py OUT    needs pyspark and Java 17
"""

import sys
import time

from pyspark.sql import SparkSession

QUESTIONS = {
    "Which lines hold the most memory, over all hosts?": """
        SELECT filename, lineno, sum(size) AS bytes, sum(count) AS blocks, count(DISTINCT labels['host']) AS hosts
        FROM sites WHERE count > 0 GROUP BY filename, lineno ORDER BY bytes DESC LIMIT 5
    """,
    "Which processes hold the most?": """
        SELECT labels['host'] AS host, labels['source'] AS source, sum(size) AS bytes
        FROM sites GROUP BY ALL ORDER BY bytes DESC, host, source LIMIT 5
    """,
    "Below which functions was it allocated?": """
        SELECT caller, sum(size) AS bytes FROM (
            SELECT size, explode(array_distinct(traceback.function)) AS caller FROM sites WHERE count > 0
        ) GROUP BY caller ORDER BY bytes DESC, caller LIMIT 5
    """,
}


def main() -> None:
    spark = SparkSession.builder.master("local[1]").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    spark.read.parquet(sys.argv[1]).createOrReplaceTempView("sites")
    for question, query in QUESTIONS.items():
        start = time.perf_counter()
        rows = spark.sql(query).collect()
        print(f"{question} ({time.perf_counter() - start:.1f} s)")
        for row in rows:
            print("   ", *row)
    spark.stop()


if __name__ == "__main__":
    main()
