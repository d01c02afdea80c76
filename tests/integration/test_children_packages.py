"""run --follow-children with the servers and pools that people use: gunicorn, uvicorn, Celery, pytest-xdist, joblib, dask.

Each program runs without and with ctracemalloc, and must print the same and end the same; then each of its processes must have
left its numbers. With CTM_LONG=1 only, and only what is installed: `pip install gunicorn setproctitle uvicorn celery
pytest-xdist joblib distributed`.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

from ctracemalloc.cli.processes import processes_of
from ctracemalloc.model.processes import KILLED, UNKNOWN, UNTRACED
from ctracemalloc.render.text.processes import format_processes
from ctracemalloc.render.text.style import Style
from support import LONG

SIZE = 1_000_000

# Starts a server, given as arguments, asks it for the pids of its workers, kills one with SIGKILL, asks again, ends it.
DRIVE = """
    import http.client, os, signal, subprocess, sys, time
    port = int(sys.argv[1])
    server = subprocess.Popen(sys.argv[2:])

    def workers(count):
        found, end = set(), time.monotonic() + 60
        while len(found) < count and time.monotonic() < end:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("GET", "/")
                found.add(int(connection.getresponse().read()))
            except OSError:
                time.sleep(0.05)
        return found

    first = workers(2)
    killed = min(first)
    os.kill(killed, signal.SIGKILL)
    second = workers(1) | workers(2)
    print(len(first), len(second))
    server.terminate()
    print(server.wait())
"""
WSGI = """
    import os
    preloaded = [bytes(1000) for _ in range(1000)]
    held = []
    def app(environ, start_response):
        held.append(bytes(1_000_000))
        start_response("200 OK", [])
        return [str(os.getpid()).encode()]
"""
ASGI = """
    import os
    held = []
    async def app(scope, receive, send):
        if scope["type"] == "http":
            held.append(bytes(1_000_000))
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""
TASKS = """
    import os
    from celery import Celery
    held = []
    folders = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
    app = Celery("tasks", broker_url="filesystem://", result_backend="file://results", broker_transport_options=folders)

    @app.task
    def hold(size):
        held.append(bytes(size))
        return size

    @app.task
    def die(size):
        hold(size)
        os.kill(os.getpid(), 9)
"""
CELERY = """
    import os, shutil, subprocess, sys
    for folder in "queue", "control", "results":
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
    from tasks import die, hold
    options = ["-m", "celery", "-A", "tasks", "worker", "--pool", "prefork", "-c", "2", "-l", "CRITICAL", "-n", sys.argv[1]]
    worker = subprocess.Popen([*sys.argv[2:], *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(2):
            print(sum(task.get(timeout=90) for task in [hold.delay(1_000_000) for _ in range(8)]), flush=True)
            die.delay(5_000_000)
    finally:
        print(sum(task.get(timeout=90) for task in [hold.delay(1_000_000) for _ in range(8)]), flush=True)
        worker.terminate()
        print(worker.wait())
"""
JOBLIB = """
    from joblib import Parallel, delayed
    held = []
    def hold(size):
        import program
        program.held.append(bytes(size))
        return size
    if __name__ == "__main__":
        for backend in "loky", "multiprocessing":
            print(sum(Parallel(n_jobs=2, backend=backend)(delayed(hold)(1_000_000) for _ in range(20))))
"""
DASK = """
    held = []
    def hold(size):
        import program
        program.held.append(bytes(1_000_000 + size))
        return size
    if __name__ == "__main__":
        from distributed import Client, LocalCluster
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
            print(sum(client.gather(client.map(hold, range(10)))))
"""
TESTS = """
    import pytest
    held = []
    @pytest.mark.parametrize("number", range(6))
    def test_hold(number):
        held.append(bytes(1_000_000))
"""


@unittest.skipUnless(LONG, "with CTM_LONG=1: starts servers and pools, which takes minutes")
class PackagesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        self.out = self.folder / "out"
        self.port = 20_000 + os.getpid() % 10_000

    def needs(self, *modules):
        for module in modules:
            if importlib.util.find_spec(module) is None:
                self.skipTest(f"{module} is not installed")

    def write(self, name, source):
        (self.folder / name).write_text(textwrap.dedent(source), encoding="utf-8")
        return name

    def run_both(self, before, after):
        """Run `python before PYTHON after`, without and with ctracemalloc in the place of PYTHON. Returns the processes."""
        results = []
        for traced in [], ["-m", "ctracemalloc", "run", "--follow-children", "-o", "out"]:
            command = [*before, sys.executable, *traced, *after]
            environment = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
            done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300)
            results.append((done.returncode, done.stdout))
            error = done.stderr
        self.assertEqual(results[1], results[0], error)
        print("", *format_processes(processes_of(str(self.out)), Style(False), str(self.out)), sep="\n")
        found = processes_of(str(self.out)).processes
        self.assertEqual([vars(one) for one in found if one.end in (UNKNOWN, UNTRACED) or one.problems], [])
        return found

    def drive(self, *after):
        return self.run_both([sys.executable, self.write("drive.py", DRIVE), str(self.port)], after)

    def named(self, found, name):
        return [one for one in found if one.name is not None and one.name.startswith(name)]

    def assert_holds(self, processes, count):
        self.assertEqual(len(processes), count)
        for process in processes:
            self.assertGreater(process.numbers.size, SIZE)

    def test_gunicorn(self):
        self.needs("gunicorn", "setproctitle")
        self.write("wsgi.py", WSGI)
        found = self.drive("-m", "gunicorn", "--preload", "-w", "2", "-b", f"127.0.0.1:{self.port}", "wsgi:app")
        self.assert_holds([one for one in found if one.end == KILLED], 1)
        self.assert_holds(self.named(found, "gunicorn: worker"), 2)
        self.assertEqual(len(self.named(found, "gunicorn: master")), 1)

    def test_uvicorn(self):
        self.needs("uvicorn")
        self.write("asgi.py", ASGI)
        found = self.drive("-m", "uvicorn", "--workers", "2", "--no-access-log", "--port", str(self.port), "asgi:app")
        workers = self.named(found, "SpawnProcess-")
        self.assert_holds(workers, 3)
        self.assertEqual(sorted(one.end for one in workers), ["SIGTERM", "SIGTERM", KILLED])

    def test_celery(self):
        self.needs("celery")
        self.write("tasks.py", TASKS)
        name = f"ctracemalloc-{os.getpid()}@here"
        found = self.run_both([sys.executable, self.write("drive.py", CELERY), name], [])
        workers = self.named(found, "ForkPoolWorker-")
        self.assertGreaterEqual(len(workers), 4)
        died = [one for one in workers if one.end == KILLED and one.numbers.size > found[0].numbers.size + 5 * SIZE]
        self.assertEqual(len(died), 2)

    def test_xdist(self):
        self.needs("xdist")
        self.write("test_it.py", TESTS)
        found = self.run_both([], ["-m", "pytest", "-qqq", "--no-summary", "-n", "2", "-p", "no:cacheprovider", "test_it.py"])
        self.assertEqual(sorted(one.name for one in found[1:]), ["gw0", "gw1"])
        self.assert_holds(found[1:], 2)

    def test_joblib(self):
        self.needs("joblib")
        found = self.run_both([], [self.write("program.py", JOBLIB)])
        self.assert_holds(self.named(found, "LokyProcess-"), 2)
        kind = "ForkPoolWorker-" if sys.version_info < (3, 14) else "ForkServerPoolWorker-"  # the default
        self.assert_holds(self.named(found, kind), 2)

    def test_dask(self):
        self.needs("distributed")
        found = self.run_both([], [self.write("program.py", DASK)])
        self.assert_holds(self.named(found, "Dask Worker process"), 2)


if __name__ == "__main__":
    unittest.main()
