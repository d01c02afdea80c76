"""The model of a run's processes: from events to a tree, and the highest sum of recordings."""

import unittest

from ctracemalloc.model.processes import EXEC, KILLED, UNKNOWN, UNTRACED, Highest, Processes, Series, highest_sum, tree_of


def began(pid, by="fork", parents=(), **facts):
    return {"began": pid, "time": float(pid), "by": by, "parents": list(parents), "command": ["x"], **facts}


def ended(pid, **facts):
    return {"ended": pid, "time": 100.0, "text": "exit status 0", "status": 0, **facts}


class TreeTest(unittest.TestCase):
    def tree(self, *events):
        """(pid, depth, end) of each process, as they are shown."""
        found = Processes()
        found.add(tree_of(events))
        return [(process.pid, process.depth, process.end) for process in found.processes]

    def test_children_are_below_their_nearest_known_ancestor(self):
        events = [
            began(1, "start"),
            began(2, parents=[1]),
            began(3, "exec", [90, 2, 1]),
            began(4, parents=[1]),
            began(5, "exec", [91]),
        ]
        self.assertEqual([row[:2] for row in self.tree(*events)], [(1, 0), (2, 1), (3, 2), (4, 1), (5, 1)])

    def test_ends(self):
        events = [
            began(1, "start"),
            began(2, parents=[1]),
            began(3, parents=[1]),
            {"killed": 3, "signal": 9},
            began(4, parents=[1]),
            {"exec": 4, "path": "/bin/true"},
            began(5, parents=[1]),
            {"exec": 5, "path": "/bin/true"},
            {"exec": 5, "path": None},
            began(6, parents=[1]),
            ended(6),
            {"killed": 6, "signal": 9},
            ended(1),
        ]
        ends = [end for _, _, end in self.tree(*events)]
        self.assertEqual(ends, ["exit status 0", UNKNOWN, KILLED, EXEC, UNKNOWN, "exit status 0"])

    def test_a_process_that_replaces_itself(self):
        events = [began(1, "start"), began(2, "exec", [1]), {"exec": 2, "path": "/bin/python"}, began(2, "exec", [1]), ended(2)]
        self.assertEqual(self.tree(*events), [(1, 0, UNKNOWN), (2, 1, EXEC), (2, 1, "exit status 0")])

    def test_what_was_started_and_did_not_begin(self):
        started = [{"started": pid, "by": 1, "command": ["python", "-I"], "name": "a name"} for pid in (2, 3, 2)]
        events = [began(1, "start"), began(2, "exec", [1]), *started, began(4, parents=[3])]
        self.assertEqual(self.tree(*events)[1:], [(2, 1, UNKNOWN), (4, 1, UNKNOWN), (3, 1, UNTRACED), (2, 1, UNTRACED)])
        processes = tree_of(events)
        self.assertEqual([one.name for one in processes], [None, "a name", None, "a name", "a name"])
        self.assertEqual(processes[-1].command, ["-I"])

    def test_forks_that_were_killed_before_they_said_anything(self):
        killed = [{"killed": pid, "time": 5.0, "signal": 15, "by": 1, "name": name} for pid, name in ((2, "a name"), (3, None))]
        programs = [{"started": 4, "by": 1, "command": ["python"], "name": "b"}, {"killed": 4, "signal": 9, "name": "b"}]
        processes = tree_of([began(1, "start"), *killed, *programs])
        found = [(one.pid, one.name, one.by, one.end, one.signal, one.status) for one in processes[1:]]
        self.assertEqual(found, [(2, "a name", "fork", KILLED, 15, -15), (4, "b", "exec", UNTRACED, None, None)])
        self.assertIs(processes[1].parent, processes[0])

    def test_events_may_be_anything(self):
        junk = [
            {},
            {"began": "1"},
            {"ended": 7},
            {"killed": None},
            {"began": 1, "time": "x", "parents": 5, "command": 7, "by": 3, "black_box": 9},
            {"ended": 1, "status": "x", "text": 5},
            {"killed": 1, "signal": "x"},
            {"killed": 8, "signal": "x", "name": 5, "by": "x"},
            {"started": 3, "by": "x", "command": 5},
            {"problem": 1, "text": 5},
        ]
        self.assertEqual(self.tree(*junk), [(1, 0, UNKNOWN), (3, 1, UNTRACED)])


class HighestSumTest(unittest.TestCase):
    def test_nothing(self):
        self.assertIsNone(highest_sum([]))
        self.assertIsNone(highest_sum([Series([], [])]))

    def test_at_one_moment(self):
        one = Series([1.0, 2.0, 3.0], [10, 50, 10])
        other = Series([1.5, 2.5, 3.5], [5, 45, 5])
        # At 2.5 the first one still has what it had at 2.
        self.assertEqual(highest_sum([one, other]), Highest(2.5, 95, 2))

    def test_a_process_that_has_ended_does_not_count(self):
        one = Series([1.0, 2.0], [10, 50])
        other = Series([3.0, 4.0], [30, 30])
        self.assertEqual(highest_sum([one, other]), Highest(2.0, 50, 1))

    def test_the_last_tick_counts(self):
        self.assertEqual(highest_sum([Series([1.0, 2.0], [1, 2]), Series([2.0], [5])]), Highest(2.0, 7, 2))


if __name__ == "__main__":
    unittest.main()
