#!/usr/bin/env python3
"""Measures what ctracemalloc.web costs a service under load: how long its requests take, with and without scraping each second.

Model: three processes. The service (this file, with --service) is http.server with a thread for each connection; a request
makes and serializes a few hundred objects. It has imported a good part of the standard library and traces it with all callers.
The load (--load) sends requests over some connections, so many a second, and times each. This process scrapes one path a second
meanwhile. The modes take turns, several rounds of each, so that other load of the machine meets all of them.

usage: web.py [--python PATH] [--seconds N] [--rounds N] [--rate N] [--frames N]     PATH: has the package
"""

import argparse
import http.client
import json
import subprocess
import sys
import threading
import time

CONNECTIONS = 4
MODES = (
    ("not traced", None),
    ("traced", None),
    ("/metrics each second", "/metrics"),
    ("/debug/pprof/delta_heap each second", "/debug/pprof/delta_heap"),
    ("/debug/pprof/heap each second", "/debug/pprof/heap"),
    ("/debug/memory?plain=1 each second", "/debug/memory?plain=1"),
)
MODULES = """asyncio concurrent.futures csv ctypes curses dataclasses decimal difflib doctest email.mime.text fractions
http.cookiejar imaplib inspect ipaddress logging.config lzma mailbox multiprocessing.managers optparse pdb pickletools plistlib
pydoc smtplib sqlite3 statistics tarfile tempfile typing unittest.mock urllib.request uuid xml.dom.minidom xml.etree.ElementTree
xmlrpc.client zipfile zoneinfo"""


def service(frames):
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    if frames:
        import ctracemalloc
        from ctracemalloc import web

        ctracemalloc.start(frames)
        scraped = web.serve()
    for name in MODULES.split():
        __import__(name)

    class Handler(BaseHTTPRequestHandler):
        protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

        def do_GET(self):
            rows = [{"id": number, "name": f"row {number}", "values": [number / 3, number / 7]} for number in range(100)]
            body = json.dumps(rows).encode()
            self.send_response_only(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    nodes = len(ctracemalloc.take_snapshot().call_tree()) if frames else 0
    print(server.server_port, scraped.port if frames else 0, nodes, flush=True)
    server.serve_forever()


def load(port, seconds, rate):
    """Print the latencies in seconds, as JSON."""
    times, begin = [], time.monotonic() + 0.1

    def drive(index):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        step = CONNECTIONS / rate
        for number in range(int(seconds / step)):
            due = begin + (number + index / CONNECTIONS) * step
            time.sleep(max(due - time.monotonic(), 0))
            connection.request("GET", "/")
            connection.getresponse().read()
            times.append(time.monotonic() - due)  # from when it was due: a wait for the one before it counts

    threads = [threading.Thread(target=drive, args=(index,)) for index in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(times))


def scrape(port, path, ended, taken):
    while not ended.wait(max(1 - (taken[-1] if taken else 0), 0)):
        begin = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", path)
        connection.getresponse().read()
        connection.close()
        taken.append(time.monotonic() - begin)


def measured(python, port, scraped, path, options):
    """(latencies of the service, times of the scrapes)"""
    ended, taken = threading.Event(), []
    thread = threading.Thread(target=scrape, args=(scraped, path, ended, taken))
    if path:
        thread.start()
    command = [python, __file__, "--load", str(port), "--seconds", str(options.seconds), "--rate", str(options.rate)]
    times = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    ended.set()
    if path:
        thread.join()
    return times, taken


def at(times, share):
    return 1000 * sorted(times)[min(int(share * len(times)), len(times) - 1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=200, help="requests a second")
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--service", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--load", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.service is not None:
        service(options.service)
    if options.load is not None:
        load(options.load, options.seconds, options.rate)
        return
    processes = []
    for frames in (0, options.frames):
        command = [options.python, __file__, "--service", str(frames)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    (plain, _none, _zero), (traced, scraped, nodes) = (map(int, process.stdout.readline().split()) for process in processes)
    found = {name: ([], []) for name, _path in MODES}
    for _ in range(options.rounds):
        for index, (name, path) in enumerate(MODES):
            results = measured(options.python, traced if index else plain, scraped, path, options)
            for part, new in zip(found[name], results, strict=True):
                part.extend(new)
    for process in processes:
        process.kill()
    print(f"{nodes:,} tracebacks; milliseconds")
    print(f"{'':38}{'median':>8}{'95 %':>8}{'99 %':>8}{'99.9 %':>8}{'most':>8}{'scrape':>10}")
    for name, (times, taken) in found.items():
        columns = "".join(f"{at(times, share):8.1f}" for share in (0.5, 0.95, 0.99, 0.999, 1))
        print(f"{name:38}{columns}{at(taken, 0.5) if taken else 0:10.1f}")


if __name__ == "__main__":
    main()
