"""What grows? Two snapshots of a program that leaks, and the difference between them.

Run it:  python examples/python/find_a_leak.py
"""

import ctracemalloc

SEEN = []


def handle(request):
    SEEN.append(f"request {request} from somewhere")  # the leak: the list is never emptied
    return len(str(request) * 10)


def main():
    ctracemalloc.start(10)
    for request in range(100):
        handle(request)
    before = ctracemalloc.take_snapshot()
    for request in range(10_000):
        handle(request)
    after = ctracemalloc.take_snapshot()
    ctracemalloc.stop()

    mine = [ctracemalloc.Filter(True, __file__)]
    after, before = after.filter_traces(mine), before.filter_traces(mine)
    worst = after.compare_to(before, "traceback")[0]
    print(f"grew by {worst.size_diff} bytes in {worst.count_diff} blocks, allocated here:")
    for line in worst.traceback.format():
        print(line)


if __name__ == "__main__":
    main()
