"""Which lines made the peak, and which churn? The blocks that are live at the end show neither.

Run it:  python examples/python/peak_and_churn.py
"""

import ctracemalloc


def read_table(rows):
    return [{"row": row, "name": f"name {row}"} for row in range(rows)]


def total_length(table):
    return sum(len(" ".join([line["name"]] * 10)) for line in table)


def summarize():
    table = read_table(20_000)
    return total_length(table)  # the table is freed, only the number is returned


def place(statistic):
    frame = statistic.traceback[0]
    return f"line {frame.lineno}, {frame.name}"


def main():
    ctracemalloc.start()
    length = summarize()
    snapshot = ctracemalloc.take_snapshot()
    current, peak = ctracemalloc.get_traced_memory()
    ctracemalloc.stop()
    print(f"total length {length}; {current:,} bytes now, {peak:,} at the peak")

    snapshot = snapshot.filter_traces([ctracemalloc.Filter(True, __file__)])
    print("what made the peak:")
    for statistic in snapshot.at_peak.statistics("lineno")[:3]:
        print(f"  {statistic.size:>10,} bytes in {statistic.count:>6,} blocks: {place(statistic)}")
    print("who allocated most, and how much of it is left:")
    for statistic in snapshot.statistics("lineno", sort="allocated")[:3]:
        print(
            f"  {statistic.allocated_size:>10,} bytes in {statistic.allocated_count:>6,} blocks,"
            f" {statistic.count:,} left: {place(statistic)}"
        )


if __name__ == "__main__":
    main()
