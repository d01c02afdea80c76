"""Wrong arguments and wrong files: an exception that names the problem, never a crash."""

import unittest

from support import LONG, ScriptTest, ctracemalloc_only, skip_some_pythons


def setUpModule():
    skip_some_pythons()


STRANGE = "[None, 'x', b'x', 1.5, [], {}, object(), (), -1, 2**31, 2**63, 2**64, 10**30, float('nan'), int, ...]"


class ArgumentsTest(ScriptTest):
    def test_start(self):
        self.check(f"""
            for value in {STRANGE}:
                try:
                    tm.start(value)
                except (TypeError, ValueError, OverflowError) as error:
                    assert str(error), value
                else:
                    raise AssertionError(value)
                assert not tm.is_tracing()
            for value in (0, -1, 65_536, 2**31 - 1):
                try:
                    tm.start(value)
                except ValueError as error:
                    assert "the number of frames must be in range [1; 65535]" in str(error), error
                else:
                    raise AssertionError(value)
            for arguments in ((1, 2), (1, 2, 3)):
                try:
                    tm.start(*arguments)
                except TypeError:
                    continue
                raise AssertionError(arguments)
            try:
                tm.start(depth=1)
            except TypeError:
                print("good")
            """)

    def test_functions_without_arguments(self):
        self.check("""
            names = ("stop", "is_tracing", "clear_traces", "get_traced_memory", "reset_peak",
                     "get_traceback_limit", "get_tracemalloc_memory", "take_snapshot")
            for tracing in (False, True):
                for name in names:
                    for arguments in ((1,), (None, None)):
                        try:
                            getattr(tm, name)(*arguments)
                        except TypeError as error:
                            assert "argument" in str(error)
                        else:
                            raise AssertionError(name)
                tm.start()
            tm.stop()
            try:
                tm.take_snapshot()
            except RuntimeError as error:
                assert "must be tracing memory allocations to take a snapshot" in str(error)
                print("good")
            """)

    def test_what_object_traceback_gets(self):
        self.check(f"""
            for tracing in (False, True):
                for value in {STRANGE} + [tm, type, type.__dict__, (lambda: 1), sys, 7, True, "", "é", type("New", (), {{}})()]:
                    found = tm.get_object_traceback(value)
                    assert found is None or len(found) > 0
                tm.start(3)
            try:
                tm.get_object_traceback()
            except TypeError:
                print("good")
            """)

    def test_constructors(self):
        self.check(
            f"""
            import itertools
            strange = {STRANGE}
            types = [tm.Snapshot, tm.Traceback, tm.Trace, tm.Frame, tm.Filter, tm.DomainFilter, tm.Statistic,
                     tm.StatisticDiff]
            made = refused = 0
            for kind in types:
                for count in (0, 1, 2, 3, 5):
                    choices = itertools.product(strange, repeat=count) if count < 3 else [[v] * count for v in strange]
                    for arguments in choices:
                        try:
                            one = kind(*arguments)
                        except Exception as error:
                            refused += 1
                            continue
                        made += 1
                        for use in (repr, str, hash, len, iter, list, lambda o: o == o, lambda o: o[0], lambda o: o < o,
                                    lambda o: o[10**30:], lambda o: o.traces, lambda o: o.traceback, lambda o: o.format(),
                                    lambda o: o.statistics("lineno"), lambda o: o.compare_to(o, "filename"),
                                    lambda o: o.filter_traces([tm.Filter(True, "*")])):
                            try:
                                use(one)
                            except Exception:
                                pass
            assert refused > 1000, (made, refused)
            print("good")
            """,
            timeout=120,
        )

    def test_snapshots_with_wrong_rows(self):
        self.check("""
            good = (0, 10, (("a.py", 1),), 1)
            wrong = [None, 1, "x", (), (0,), (0, 10), (0, 10, None), (0, "x", (("a", 1),)), (None, 10, (("a", 1),), 1),
                     (0, 10, (1,), 1), (0, 10, (("a",),), 1), (0, 10, ((1, 2),), 1), (0, -5, (("a", 1),), 1),
                     (0, 2**70, (("a", 1),), 1), (2**70, 1, (("a", 1),), 1), (0, 1, (("a", "b"),), 1),
                     (0, 10, (("a.py", 1),), 1, 2, 3), (0, 10, (("\\ud800", 1),), 1), (0, 1, (("a", 2**70),), 1)]
            for row in wrong:
                for rows in ([row], [good, row], (row,)):
                    try:
                        snapshot = tm.Snapshot(rows, 1)
                        for trace in snapshot.traces:
                            str(trace), repr(trace), trace.traceback.format()
                        snapshot.statistics("lineno")
                        snapshot.statistics("traceback")
                        snapshot.compare_to(snapshot, "filename")
                        snapshot.filter_traces([tm.Filter(False, "b")])
                    except Exception as error:
                        assert type(error) in (TypeError, ValueError, OverflowError, IndexError, AttributeError,
                                               UnicodeEncodeError), (row, error)
            for rows in (None, 1, "x", object()):
                try:
                    len(tm.Snapshot(rows, 1).traces)
                    tm.Snapshot(rows, 1).statistics("lineno")
                except Exception as error:
                    assert isinstance(error, (TypeError, ValueError, AttributeError)), error
            print("good")
            """)

    def test_methods(self):
        self.check(f"""
            tm.start(2)
            snapshot = tm.take_snapshot()
            for value in {STRANGE}:
                for call in (lambda: snapshot.statistics(value), lambda: snapshot.compare_to(value, "lineno"),
                             lambda: snapshot.compare_to(snapshot, value), lambda: snapshot.filter_traces(value),
                             lambda: snapshot.filter_traces([value]), lambda: tm.Snapshot.load(value),
                             lambda: snapshot.traces[value], lambda: snapshot.traces[0].traceback[value]):
                    try:
                        call()
                    except Exception as error:
                        assert not isinstance(error, (SystemError, MemoryError)), (value, error)
            for key in ("", "line", "LINENO", "lineno\\0"):
                try:
                    snapshot.statistics(key)
                except ValueError as error:
                    assert "key_type" in str(error)
                else:
                    raise AssertionError(key)
            try:
                snapshot.statistics("traceback", cumulative=True)
            except ValueError:
                print("good")
            """)

    def test_filters_that_raise(self):
        self.check("""
            tm.start(2)
            held = [bytearray(n) for n in range(10)]
            snapshot = tm.take_snapshot()
            class Bad(tm.BaseFilter):
                def _match(self, trace): raise KeyError("mine")
            class Stops(tm.BaseFilter):
                def _match(self, trace):
                    tm.stop()
                    return True
            try:
                snapshot.filter_traces([Bad(True)])
            except KeyError as error:
                assert error.args == ("mine",)
            else:
                raise AssertionError
            snapshot.filter_traces([Stops(True)])
            print("good")
            """)


class FilesTest(ScriptTest):
    def test_where_nothing_can_be_written_or_read(self):
        self.check("""
            tm.start()
            snapshot = tm.take_snapshot()
            os.mkdir("folder")
            for path in ("folder", "missing/file", "", "a\\0b", "x" * 5000, "/proc/self/nothing/here"):
                for action in (snapshot.dump, tm.Snapshot.load):
                    try:
                        action(path)
                    except (OSError, ValueError) as error:
                        assert str(error), path
                    else:
                        raise AssertionError((path, action))
            file = open("closed", "wb")
            file.close()
            number = os.open("closed", os.O_RDONLY)
            os.close(number)
            for path in (file, number, 10**6, -1):
                for action in (snapshot.dump, tm.Snapshot.load):
                    try:
                        action(path)
                    except (OSError, ValueError, TypeError) as error:
                        assert str(error), path
                    else:
                        raise AssertionError((path, action))
            print("good")
            """)

    def test_a_full_disk(self):
        self.check("""
            if not os.path.exists("/dev/full"):
                print("good")
                sys.exit()
            tm.start()
            snapshot = tm.take_snapshot()
            try:
                snapshot.dump("/dev/full")
            except OSError as error:
                print("good")
            """)

    def test_truncated_at_every_length(self):
        self.check(
            """
            tm.start(3)
            def work(): return [bytearray(n) for n in range(30)]
            held = work()
            snapshot = tm.take_snapshot().filter_traces([tm.Filter(True, __file__)])
            snapshot.dump("whole")
            data = open("whole", "rb").read()
            assert len(tm.Snapshot.load("whole").traces) == len(snapshot.traces) > 20
            step = max(1, len(data) // 700)
            for length in [*range(0, len(data), step), len(data) - 1]:
                with open("cut", "wb") as file:
                    file.write(data[:length])
                try:
                    tm.Snapshot.load("cut")
                except (ValueError, EOFError, OSError, __import__("pickle").UnpicklingError) as error:
                    assert str(error), length
                else:
                    raise AssertionError(length)
            print("good")
            """,
            timeout=120,
        )

    @ctracemalloc_only
    def test_damaged_at_random(self):
        """Any byte changed: a ValueError, or a usable snapshot."""
        rounds = 20_000 if LONG else 3000
        self.check(
            f"""
            import random
            tm.start(3)
            def work(): return [bytearray(n) for n in range(30)]
            held = work()
            snapshot = tm.take_snapshot().filter_traces([tm.Filter(True, __file__)])
            snapshot.dump("whole")
            data = open("whole", "rb").read()
            random.seed(1)
            refused = 0
            for _ in range({rounds}):
                changed = bytearray(data)
                for _ in range(random.choice((1, 1, 2, 8))):
                    changed[random.randrange(len(data))] = random.choice((0, 1, 127, 128, 255, random.randrange(256)))
                if random.random() < 0.1:
                    at = random.randrange(len(data))
                    del changed[at:at + random.randrange(50)]
                with open("changed", "wb") as file:
                    file.write(changed)
                try:
                    loaded = tm.Snapshot.load("changed")
                    loaded.statistics("traceback")
                except ValueError as error:
                    assert str(error)
                    refused += 1
            assert refused > {rounds} // 2, refused
            print("good")
            """,
            timeout=300,
        )

    def test_foreign_files(self):
        self.check("""
            import json, pickle, zlib
            class Bomb:
                def __reduce__(self): return (os.mkdir, ("exploded",))
            contents = [b"", b"\\n", b"x", b"\\0" * 1000, b"%PDF-1.4", open(sys.executable, "rb").read(5000),
                        json.dumps([1]).encode(), zlib.compress(b"x" * 100), os.urandom(3000)]
            for data in contents:
                with open("foreign", "wb") as file:
                    file.write(data)
                try:
                    tm.Snapshot.load("foreign")
                except Exception as error:
                    assert isinstance(error, (ValueError, EOFError, OSError, pickle.UnpicklingError, KeyError,
                                              IndexError, AttributeError)), (data[:10], error)
                else:
                    raise AssertionError(data[:20])
            print("good")
            """)

    @ctracemalloc_only
    def test_no_code_runs(self):
        self.check("""
            import pickle
            class Bomb:
                def __reduce__(self): return (os.mkdir, ("exploded",))
            for value in (Bomb(), [Bomb()], {"traces": Bomb()}, 3, "text", [1, 2], None):
                for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                    with open("bomb", "wb") as file:
                        pickle.dump(value, file, protocol)
                    try:
                        tm.Snapshot.load("bomb")
                    except ValueError as error:
                        assert str(error)
                    else:
                        raise AssertionError(value)
            assert not os.path.exists("exploded")
            print("good")
            """)


if __name__ == "__main__":
    unittest.main()
