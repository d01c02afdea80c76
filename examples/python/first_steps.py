"""Which lines hold the memory? Trace a piece of work and print the answer.

Run it:  python examples/python/first_steps.py
"""

import ctracemalloc


def load_orders(count):
    return [{"id": number, "item": f"item {number}", "paid": False} for number in range(count)]


def index_by_item(orders):
    return {order["item"]: order for order in orders}


def main():
    ctracemalloc.start()
    orders = load_orders(20_000)
    index = index_by_item(orders)
    snapshot = ctracemalloc.take_snapshot()
    current, peak = ctracemalloc.get_traced_memory()
    ctracemalloc.stop()

    print(f"{len(index)} orders: {current / 2**20:.1f} MiB now, {peak / 2**20:.1f} MiB at the peak")
    for statistic in snapshot.statistics("lineno")[:3]:
        frame = statistic.traceback[0]
        print(f"{statistic.size:>9} bytes, {statistic.count:>6} blocks: line {frame.lineno} in {frame.name}")


if __name__ == "__main__":
    main()
