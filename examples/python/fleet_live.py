"""A fleet on one machine: eight workers (fleet_service.py) under load, four of each release, and a scrape now and then.

usage: fleet_live.py OUT [--every SECONDS] [--times N] [--pause SECONDS]

OUT gets targets.json, and a Parquet file for each scrape (fleet_scrape.py).
"""

import argparse
import contextlib
import http.client
import json
import random
import socket
import subprocess
import sys
import threading
from pathlib import Path

from orders import make_requests

HERE = Path(__file__).resolve().parent
WORKERS = 8
RELEASES = ("1.0", "1.1")


def free_ports(number):
    """Ports that nobody uses now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [one.getsockname()[1] for one in sockets]


def start_worker(port, memory_port, release):
    command = [sys.executable, HERE / "fleet_service.py", port, memory_port, release]
    worker = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    assert worker.stdout.readline() == "ready\n"
    return worker


def send_orders(port, seed, pause, ended):
    """Until it has ended; a request every `pause` seconds."""
    chance = random.Random(seed)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    while not ended.is_set():
        for order in make_requests(chance, 50):
            connection.request("POST", "/", order.encode())
            connection.getresponse().read()
            if ended.wait(pause):
                break


def main():
    parser = argparse.ArgumentParser(description="Runs eight workers under load, and scrapes their memory.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--every", type=float, default=10, metavar="SECONDS")
    parser.add_argument("--times", type=int, default=6, metavar="N")
    parser.add_argument("--pause", type=float, default=0.01, metavar="SECONDS", help="between two requests to a worker")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    ports = free_ports(2 * WORKERS)
    ports, memory_ports = ports[:WORKERS], ports[WORKERS:]
    releases = [RELEASES[number * len(RELEASES) // WORKERS] for number in range(WORKERS)]
    workers, ended = [], threading.Event()
    try:
        for port, memory_port, release in zip(ports, memory_ports, releases, strict=True):
            workers.append(start_worker(port, memory_port, release))
        targets = [
            {"host": f"web-{number}", "release": release, "url": f"http://127.0.0.1:{memory_port}"}
            for number, (memory_port, release) in enumerate(zip(memory_ports, releases, strict=True), 1)
        ]
        (options.out / "targets.json").write_text(json.dumps(targets), encoding="utf-8")
        load = [threading.Thread(target=send_orders, args=(port, port, options.pause, ended), daemon=True) for port in ports]
        for thread in load:
            thread.start()
        scrape = [HERE / "fleet_scrape.py", options.out / "targets.json", options.out]
        scrape += ["--every", options.every, "--times", options.times]
        subprocess.run([sys.executable, *map(str, scrape)], check=True)
    finally:
        ended.set()
        for worker in workers:
            worker.terminate()
            worker.wait()
            worker.stdout.close()


if __name__ == "__main__":
    main()
