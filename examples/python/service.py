"""Which line of a running service grows? Asks the service over HTTP, as a browser or a monitoring server would.

Run it:  python examples/python/service.py
"""

import re
import urllib.request

import ctracemalloc
from ctracemalloc import web

SESSIONS = {}


def handle(number):
    page = "<html>" + "x" * 10_000  # freed when the request is answered
    SESSIONS[number] = bytearray(5_000)  # the leak
    return len(page)


def ask(server, path):
    return urllib.request.urlopen(server.url + path).read().decode()


def main():
    ctracemalloc.start(10)
    with web.serve(top=1) as server:
        for number in range(100):
            handle(number)
        ask(server, "debug/memory")  # from here on
        for number in range(100, 400):
            handle(number)
        page = ask(server, "debug/memory?plain=1&since=last&top=1")
        _size, size_diff, _count, count_diff, line, function = re.findall(r"<td class=.*?>(.*?)</td>", page)
        print(f"{function} at line {line.rpartition(':')[2]} grew by {size_diff} in {count_diff} blocks")
        metrics = ask(server, "metrics")
        print("most is at", re.search(r'file=".*?([^/"]+)",line="(\d+)"', metrics).group(1, 2))


if __name__ == "__main__":
    main()
