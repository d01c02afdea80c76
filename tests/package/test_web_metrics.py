"""The metrics of ctracemalloc.web, read by the parsers of prometheus_client, and its collector."""

import importlib.util
import unittest
from unittest import mock

import ctracemalloc
from cli_support import skip_most_pythons
from ctracemalloc import web
from ctracemalloc.web.exposition import OPEN_TYPE, PLAIN_TYPE, prefers_open
from ctracemalloc.web.metrics import FAMILIES
from ctracemalloc.web.snapshots import snapshot_turn
from web_support import TracedTest, application, ask


def setUpModule():
    skip_most_pythons()


OPEN = "application/openmetrics-text;version=1.0.0"
EVIL = 'evil"\\\n{}#,=<é\u2028\udc80.py'


def families(text, is_open):
    from prometheus_client import parser
    from prometheus_client.openmetrics import parser as open_parser

    parse = open_parser.text_string_to_metric_families if is_open else parser.text_string_to_metric_families
    return {family.name: family for family in parse(text)}


def value(found, name):
    (sample,) = found[name].samples
    return sample.value


def hold(size, filename="held.py"):
    scope = {}
    exec(compile("def held(size):\n return b'.' * size", filename, "exec"), scope)
    return scope["held"](size)


class AcceptTest(unittest.TestCase):
    def test_what_is_preferred(self):
        prometheus = (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
            "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        )
        for accept, expected in (
            (prometheus, True),
            (OPEN, True),
            ("application/openmetrics-text", True),
            ("Application/OpenMetrics-Text; Version=1.0.0; q=0.9, text/plain; q=0.1", True),
            ("", False),
            ("*/*", False),
            ("text/plain;version=0.0.4", False),
            ("application/openmetrics-text;version=0.0.1", False),
            ("application/openmetrics-text;q=0.2,text/plain;q=0.5", False),
            ("application/openmetrics-text;q=0", False),
            ("application/openmetrics-text;q=x", False),
            ("application/openmetrics-text;q=nan,*/*;q=0.1", False),
            (";;;,,,q=", False),
            ("text/plain," * 100 + OPEN, False),
        ):
            self.assertIs(prefers_open(accept), expected, accept)


@unittest.skipUnless(importlib.util.find_spec("prometheus_client"), "prometheus_client is not installed")
class MetricsTest(TracedTest):
    def scrape(self, accept, app=None):
        answer = ask(app or application(), accept=accept)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.content_type, OPEN_TYPE if accept == OPEN else PLAIN_TYPE)
        return families(answer.body.decode(), accept == OPEN)

    def test_both_formats_say_the_same(self):
        kept, app = hold(1_000_000), application()
        for accept in (OPEN, ""):
            found = self.scrape(accept, app)
            self.assertEqual(set(found), {f"ctracemalloc_{family.name}" for family in FAMILIES})
            self.assertEqual(value(found, "ctracemalloc_tracing"), 1)
            self.assertGreater(value(found, "ctracemalloc_live_bytes"), len(kept))
            self.assertGreater(value(found, "ctracemalloc_live_blocks"), 10)
            self.assertGreaterEqual(value(found, "ctracemalloc_peak_bytes"), value(found, "ctracemalloc_live_bytes"))
            self.assertEqual(found["ctracemalloc_allocated_bytes"].type, "counter")
            self.assertGreater(value(found, "ctracemalloc_allocated_bytes"), value(found, "ctracemalloc_live_bytes"))
            self.assertGreater(value(found, "ctracemalloc_allocated_blocks"), value(found, "ctracemalloc_live_blocks"))
            self.assertGreater(value(found, "ctracemalloc_tracer_bytes"), 1000)
            self.assertEqual(value(found, "ctracemalloc_sample_interval_bytes"), 0)
            self.assertEqual(value(found, "ctracemalloc_traceback_limit"), 20)
            self.assertLess(value(found, "ctracemalloc_snapshot_seconds"), 10)
            self.assertEqual({sample.value for sample in found["ctracemalloc_losses"].samples}, {0})
            sizes = {sample.labels["function"]: sample.value for sample in found["ctracemalloc_place_live_bytes"].samples}
            self.assertAlmostEqual(sizes["held"], len(kept), delta=100)

    def test_names_are_data(self):
        kept = hold(2_000_000, EVIL)
        for accept in (OPEN, ""):
            first = self.scrape(accept)["ctracemalloc_place_live_bytes"].samples[0]
            self.assertEqual(first.labels["file"], 'evil"\\\\n{}#,=<é\\u2028\\udc80.py')
            self.assertEqual((first.labels["line"], first.labels["function"]), ("2", "held"))
        self.assertEqual(len(kept), 2_000_000)

    def test_names_that_look_alike_are_one_place(self):
        kept = [hold(3_000_000, "a\nb.py"), hold(2_000_000, "a\\nb.py")]
        samples = self.scrape("")["ctracemalloc_place_live_bytes"].samples
        self.assertAlmostEqual(samples[0].value, sum(map(len, kept)), delta=200)
        self.assertEqual(len({tuple(sample.labels.items()) for sample in samples}), len(samples))

    def test_the_number_of_places_is_bounded(self):
        kept = [hold(1000, f"{number}.py") for number in range(5)]
        for top in (0, 3):
            found = self.scrape("", application(top=top))
            self.assertEqual(len(found["ctracemalloc_place_live_bytes"].samples), top)
            self.assertEqual(len(found["ctracemalloc_place_live_blocks"].samples), top)
        self.assertEqual(len(kept), 5)

    def test_losses(self):
        loss = ctracemalloc.Loss("memory", "blocks without a traceback", 3)
        other = ctracemalloc.Loss('new "kind', "of a later version", 0)
        with mock.patch("ctracemalloc.web.metrics.shown", return_value=[loss, loss, other]):
            samples = self.scrape(OPEN)["ctracemalloc_losses"].samples
        found = {sample.labels["kind"]: sample.value for sample in samples}
        self.assertEqual((found["memory"], found['new "kind'], found["file"]), (2, 1, 0))

    def test_a_sample(self):
        ctracemalloc.stop()
        self.addCleanup(ctracemalloc.start, 20)
        ctracemalloc.start(5, sample_interval=4096)
        self.addCleanup(ctracemalloc.stop)
        found = self.scrape("")
        self.assertEqual(value(found, "ctracemalloc_sample_interval_bytes"), 4096)
        self.assertEqual({sample.value for sample in found["ctracemalloc_losses"].samples}, {0})

    def test_without_tracing(self):
        ctracemalloc.stop()
        self.addCleanup(ctracemalloc.start, 20)
        for accept in (OPEN, ""):
            found = self.scrape(accept)
            self.assertEqual(value(found, "ctracemalloc_tracing"), 0)
            self.assertEqual(set(found), {"ctracemalloc_tracing", "ctracemalloc_tracer_bytes"})

    def test_collector(self):
        import prometheus_client
        from prometheus_client.openmetrics.exposition import generate_latest as open_latest

        registry = prometheus_client.CollectorRegistry()
        with mock.patch("ctracemalloc.web.snapshots.take_snapshot", side_effect=AssertionError):
            registry.register(web.collector(top=5))
        with self.assertRaisesRegex(ValueError, "Duplicated"):
            registry.register(web.collector())
        kept = hold(1_000_000)
        for latest, is_open in ((prometheus_client.generate_latest, False), (open_latest, True)):
            found = families(latest(registry).decode(), is_open)
            self.assertGreater(value(found, "ctracemalloc_live_bytes"), len(kept))
            self.assertLessEqual(len(found["ctracemalloc_place_live_bytes"].samples), 5)
        with snapshot_turn(0), mock.patch("ctracemalloc.web.collecting.PATIENCE", 0.01):
            self.assertEqual(prometheus_client.generate_latest(registry), b"")
        with self.assertRaisesRegex(ValueError, "top must be"):
            web.collector(top=-1)


if __name__ == "__main__":
    unittest.main()
