"""The .pyi files match the extension, and the package passes mypy --strict."""

import importlib.util
import os
import subprocess
import sys
import tempfile
import textwrap
import tomllib
import unittest
from pathlib import Path

import ctracemalloc
from cli_support import skip_some_pythons


def setUpModule():
    skip_some_pythons()


ROOT = Path(__file__).resolve().parent.parent.parent
PARENT = Path(ctracemalloc.__file__).resolve().parent.parent


@unittest.skipUnless(importlib.util.find_spec("mypy"), "mypy is not installed")
class StubTest(unittest.TestCase):
    def run_tool(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "MYPY_CACHE_DIR": folder}
            if PARENT.name not in ("site-packages", "dist-packages"):  # mypy finds those by itself
                environment["MYPYPATH"] = str(PARENT)
            return subprocess.run(
                [sys.executable, "-m", *arguments],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=600,
            )

    def test_stubs_match_the_extension(self):
        """Whatever frameworks are installed: mypy is told the same of them as for the package itself."""
        told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["overrides"]
        modules = [name for part in told if part.get("follow_imports") == "skip" for name in part["module"]]
        with tempfile.NamedTemporaryFile("w", suffix=".ini") as config:
            config.write(f"[mypy]\n[mypy-{','.join(modules)}]\nfollow_imports = skip\nignore_missing_imports = True\n")
            config.flush()
            allowed = "--allowlist", str(ROOT / "tools" / "stubtest.allow"), "--ignore-unused-allowlist"
            result = self.run_tool("mypy.stubtest", "--mypy-config-file", config.name, *allowed, "ctracemalloc")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def check_types(self, source):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "user.py")
            path.write_text(textwrap.dedent(source), encoding="utf-8")
            return self.run_tool("mypy", "--strict", str(path))

    def test_code_for_the_standard_module_type_checks(self):
        result = self.check_types("""
            import ctracemalloc as tracemalloc

            class Mine(tracemalloc.BaseFilter):
                pass

            tracemalloc.start(25)
            first = tracemalloc.take_snapshot()
            second = tracemalloc.take_snapshot().filter_traces(
                [tracemalloc.Filter(False, "*.py"), tracemalloc.DomainFilter(True, 0)])
            for statistic in second.compare_to(first, "lineno"):
                total: int = statistic.size + statistic.count_diff
            for trace in second.traces[:3]:
                frame = trace.traceback[0]
                text: str = f"{frame.filename}:{frame.lineno} {frame.name}"
                lines: list[str] = trace.traceback.format(limit=3)
            current, peak = tracemalloc.get_traced_memory()
            number: int = current + peak
            second.dump("file", format="stdlib")
            tracemalloc.Snapshot.load("file").statistics("function", cumulative=False)
        """)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_code_for_what_is_added_type_checks(self):
        result = self.check_types("""
            import ctracemalloc

            peak = ctracemalloc.take_snapshot(at_peak=True)
            for statistic in peak.statistics("lineno", sort="allocated"):
                churn: int | None = statistic.freed_size
            now = ctracemalloc.take_snapshot()
            before = now.at_peak
            if before is not None:
                for diff in now.compare_to(before, "function", sort="count"):
                    change: int | None = diff.allocated_count_diff
        """)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_code_for_the_web_type_checks(self):
        result = self.check_types("""
            from collections.abc import Callable, Iterable
            from typing import Any

            from ctracemalloc import web

            wsgi: Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]] = web.wsgi_app(token=None)
            asgi = web.asgi_app(token="a-token-for-the-tests", allowed_hosts=["service.local"], max_seconds=10)
            with web.serve(9100, token="a-token-for-the-tests") as server:
                port: int = server.port
            pusher: web.Pusher = web.push("http://localhost:4040", application="app", labels={"a": "b"})
            pusher.close(timeout=1)
            text: str = f"{server.url} {pusher.sent + port} {pusher.error}"
        """)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_code_for_guards_type_checks(self):
        result = self.check_types("""
            import logging
            import signal
            import sys
            from pathlib import Path

            import ctracemalloc

            ctracemalloc.display_top(ctracemalloc.take_snapshot(), "filename", limit=3, file=sys.stderr)
            text: str = ctracemalloc.where([])
            ctracemalloc.assert_no_growth(lambda: None, warmup=1, runs=5, limit=10, filters=[ctracemalloc.Filter(True, "*")])
            with ctracemalloc.watch(60, logging.getLogger("memory"), limit=3) as watcher:
                watcher.stop()
            ctracemalloc.watch(log=print)
            with ctracemalloc.on_limit(1 << 30, "raise") as limit:
                passed: tuple[int, int] | None = limit.passed
            ctracemalloc.on_limit(1 << 30, lambda current, peak: None).cancel()
            with ctracemalloc.dump_on_signal(signal.SIGUSR1, Path("x-{pid}.ctm")) as dump:
                paths: tuple[str, ...] = dump.paths
            with ctracemalloc.dump_on_oom("x.ctm", at=0.8, every=1) as oom:
                error: str | None = oom.error or oom.path
        """)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_mistakes_are_found(self):
        result = self.check_types("""
            import ctracemalloc
            ctracemalloc.start("1")
            ctracemalloc.take_snapshot().statistics(3)
            ctracemalloc.take_snapshot().statistcs("lineno")
        """)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("Found 3 errors", result.stdout)


if __name__ == "__main__":
    unittest.main()
