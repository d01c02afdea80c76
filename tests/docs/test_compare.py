"""Which outputs count as equal."""

import unittest

from compare import refreshed, same_output


class CompareTest(unittest.TestCase):
    def test_without_tolerance_only_what_varies_by_nature_may_differ(self):
        self.assertTrue(same_output("a  b 1\n\n", "a  b 1   \n"))
        self.assertTrue(same_output("saved ctracemalloc.12.ctm, pid 12", "saved ctracemalloc.7.ctm, pid 7"))
        self.assertTrue(same_output("12  5 B  ctracemalloc.12.ctm  x", " 7  5 B  ctracemalloc.7.ctm  x"))
        self.assertTrue(same_output("began 2026-11-25 08:00:12 (6.5 s)", "began 2027-01-02 18:10:22 (0.1 s)"))
        for other in ("a b 1", "a  b 2", "a  b 1\nmore", "", "A  b 1"):
            self.assertFalse(same_output("a  b 1", other), other)

    def test_tolerance_is_for_numbers_alone(self):
        self.assertTrue(same_output("live  1,493 KiB in 24,417 blocks  77.9%", "live 1520 KiB in 24,000 blocks 78.4%", 0.2))
        self.assertTrue(same_output("+8111 KiB", "+8200 KiB", 0.2))
        for other in ("live 2493 KiB", "live 1493 MiB", "life 1493 KiB", "live 1493", "live KiB", "live 1493 KiB 1"):
            self.assertFalse(same_output("live 1493 KiB", other, 0.2), other)
        self.assertFalse(same_output("+8111 KiB", "-8111 KiB", 0.2))
        self.assertFalse(same_output("worker-1.ctm 100", "worker-2.ctm 100", 0.5))
        self.assertFalse(same_output("int64", "int65", 0.5))

    def test_dots_stand_for_text_and_for_lines(self):
        self.assertTrue(same_output("python: 3.13... at x\nok", "python: 3.13.0 (main) at x\nok"))
        self.assertFalse(same_output("python: 3.13... at x", "python: 3.12.0 (main) at x"))
        self.assertTrue(same_output("a\n...\nb", "a\n1\n2\nb"))
        self.assertTrue(same_output("a\n...\nb", "a\nb"))
        self.assertFalse(same_output("a\n...\nb", "a\n1\n2\nc"))

    def test_dots_with_a_tolerance(self):
        self.assertTrue(same_output("own 100 KiB (9%), ...", "own 110 KiB (8%), other 3 B (1%)", 0.2))
        self.assertFalse(same_output("own 100 KiB (9%), ...", "own 150 KiB (9%), other 3 B (1%)", 0.2))
        self.assertFalse(same_output("own 100 KiB (9%), ...", "own 100 B (9%), other 3 B (1%)", 0.2))
        self.assertTrue(same_output("a ... 100 B", "a 7 8 90 B", 0.2))
        self.assertFalse(same_output("a ... 100 B", "a 7 8 9 B", 0.2))

    def test_refreshed(self):
        self.assertEqual(refreshed("x 1\ny ... z\n", "x 2\ny 3 z\nnew\n"), "x 2\ny ... z\nnew")
        self.assertIsNone(refreshed("x\n...\n", "y\n"))


if __name__ == "__main__":
    unittest.main()
