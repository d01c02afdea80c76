"""One worker of a fleet: an HTTP service that prints invoices (orders.py), and a second port that tells its memory.

Release 1.1 has a mistake: it keeps each invoice that it has printed.

usage: fleet_service.py PORT MEMORY_PORT RELEASE
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import ctracemalloc
import ctracemalloc.web
from orders import Archive, Service

MOST_ORDER = 1 << 16  # bytes


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Service

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        if not 0 < length <= MOST_ORDER:
            self.send_error(413)
            return
        self.service.answer(json.loads(self.rfile.read(length)))
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments):
        pass


def main():
    port, memory_port, release = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    ctracemalloc.start(10)
    Handler.service = Service(Archive(None if release == "1.1" else 100))
    with ctracemalloc.web.serve(memory_port), ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
