"""What the tests test_frameworks*.py share: a load of many threads, and what a snapshot says of the blocks that it left.

Model: a handler of a test keeps a block for each request, whose size tells the route and the number of the request. So each
block of a snapshot is known by its size, and its labels are compared with those of the request that asked for it. A server runs
in a thread of the test's process.
"""

import gc
import http.client
import importlib.util
import threading
import unittest

import ctracemalloc
from ctracemalloc.frameworks._requests import OTHER

THREADS, EACH = 8, 12  # of the load
STEP = 1000  # sizes of a route: its first one and those of its requests


class Keeper:
    """What the handlers keep. A kind is a multiple of STEP."""

    def __init__(self):
        self.held = []

    def keep(self, kind, number):
        self.held.append(bytearray(kind * STEP + int(number)))
        return b"kept"


class FrameworkTest(unittest.TestCase):
    maxDiff = None

    def needs(self, *modules):
        for module in modules:
            if importlib.util.find_spec(module) is None:
                self.skipTest(f"{module} is not installed")

    def setUp(self):
        self.keeper = Keeper()
        self.keep = self.keeper.keep

    def trace(self):
        """Late, so that it is the load that is traced."""
        ctracemalloc.start(1)
        self.addCleanup(ctracemalloc.stop)

    def in_thread(self, function, stop):
        thread = threading.Thread(target=function, daemon=True)
        thread.start()

        def end():
            stop()
            thread.join(20)
            self.assertFalse(thread.is_alive())

        self.addCleanup(end)

    def in_threads(self, function):
        """function(number of the request) in THREADS threads, EACH times."""
        errors = []

        def run(first):
            try:
                for number in range(first, first + EACH):
                    function(number)
            except BaseException as error:
                errors.append(error)
                raise

        threads = [threading.Thread(target=run, args=(EACH * number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(errors, [])

    def get(self, port, path, method="GET", status=200):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            self.assertEqual(answer.status, status, path)
            return answer.read()
        finally:
            connection.close()

    def check(self, expected):
        """expected: of each kind of block the labels. There is one block for each request."""
        gc.collect()
        snapshot = ctracemalloc.take_snapshot()
        found = {}  # {(kind, labels as text): the numbers of the requests}
        for trace in snapshot.traces:
            kind, number = divmod(trace.size - 1, STEP)  # a bytearray has a byte more
            if kind in expected and number < THREADS * EACH:  # others are not the handlers'
                found.setdefault((kind, str(dict(sorted(trace.labels.items())))), []).append(number)
        numbers = str(list(range(THREADS * EACH)))
        wanted = {(kind, str(dict(sorted(labels.items())))): numbers for kind, labels in expected.items()}
        self.assertEqual({key: str(sorted(those)) for key, those in found.items()}, wanted)
        for name in {name for labels in expected.values() for name in labels}:
            values = {row.traceback[0].filename for row in snapshot.statistics(f"label:{name}")}
            self.assertEqual(values - {"", OTHER}, {labels[name] for labels in expected.values()} - {OTHER})
        self.assertEqual(ctracemalloc.current_labels(), {})
