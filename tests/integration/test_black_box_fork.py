"""Black boxes of programs that fork: the parent's is unchanged, and children have their own if that was requested."""

import unittest

from support import ScriptTest, ctracemalloc_only


@ctracemalloc_only
class ForkTest(ScriptTest):
    def test_children_do_not_touch_the_file(self):
        self.check("""
            tm.start(2, black_box="it.box")
            held = [bytes(1000) for _ in range(500)]
            reader = tm.open_black_box("it.box")
            for end in ("os._exit(0)", "sys.exit(0)", "tm.stop(); os._exit(0)", "tm.clear_traces(); os._exit(0)"):
                before = [s for s in reader.snapshot().statistics("lineno") if s.size > 400000]
                pid = os.fork()
                if pid == 0:
                    more = [bytes(2000) for _ in range(3000)]
                    assert blocks_at(tm.take_snapshot(), lambda: 0) is not None
                    assert total(tm.take_snapshot()) > 6000000
                    del held[:100]
                    exec(end)
                    os._exit(1)
                assert os.waitpid(pid, 0)[1] == 0
                after = [s for s in reader.snapshot().statistics("lineno") if s.size > 400000]
                assert before == after and len(after) == 1 and after[0].count >= 500, (before, after)
                assert reader.running and reader.ended is None
            print("good")
            """)

    def test_a_child_is_exact_while_the_parent_continues(self):
        self.check("""
            def hold(): return BYTE * 777
            tm.start(1, black_box="it.box")
            held = [hold() for _ in range(1000)]
            for _ in range(20):
                pid = os.fork()
                if pid == 0:
                    count, _ = blocks_at(tm.take_snapshot(), hold)
                    os._exit(0 if count == 1000 else 1)
                more = [hold() for _ in range(3000)]
                del more
                assert os.waitpid(pid, 0)[1] == 0
            print("good")
            """)

    def test_children_with_boxes(self):
        self.check("""
            import signal
            def hold(): return BYTE * 777
            def held_in(snapshot): return sum(trace.size == sys.getsizeof(bytes(777)) for trace in snapshot.traces)
            def worker(n):
                held = [hold() for _ in range(n)]
                pid = os.fork()
                if pid == 0:
                    more = [hold() for _ in range(10 * n)]
                    os.kill(os.getpid(), signal.SIGKILL)
                os.waitpid(pid, 0)
                held += [hold() for _ in range(n)]
                print(pid, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            tm.start(2, black_box="it.box", black_box_children=True)
            kept = [hold() for _ in range(100)]
            reader = tm.open_black_box("it.box")
            for n in (10, 5000):
                out, into = os.pipe()
                pid = os.fork()
                if pid == 0:
                    os.dup2(into, 1)
                    worker(n)
                kept.append(hold())
                grandchild = int(os.read(out, 100))
                assert os.waitpid(pid, 0)[1] == signal.SIGKILL
                for who, expected in ((pid, len(kept) - 1 + 2 * n), (grandchild, len(kept) - 1 + 11 * n)):
                    box = tm.open_black_box(f"it.box.{who}")
                    assert box.pid == who and box.ended is None and not box.running and box.incomplete is None
                    assert held_in(box.snapshot()) == expected, (who, held_in(box.snapshot()), expected)
                    assert box.command == reader.command and box.started == reader.started
                assert reader.running and held_in(reader.snapshot()) == len(kept)
            tm.stop()
            tm.start(2)
            if os.fork() == 0:
                os._exit(0 if not os.path.exists(f"it.box.{os.getpid()}") else 1)
            assert os.wait()[1] == 0
            print("good")
            """)

    def test_children_in_the_default_place(self):
        self.check("""
            tm.start(black_box=True, black_box_children=True)
            out, into = os.pipe()
            pid = os.fork()
            if pid == 0:
                held = bytes(54321)
                os.write(into, b"x")
                time.sleep(1000)
            os.read(out, 1)
            box = tm.attach(pid)
            assert box.running and box.pid == pid and os.path.basename(box.path) == f"{pid}.box"
            assert 54321 + sys.getsizeof(b"") in [trace.size for trace in box.snapshot().traces]
            assert tm.attach(os.getpid()).pid == os.getpid()
            os.kill(pid, 15)
            os.waitpid(pid, 0)
            if os.fork() == 0:
                sys.exit(0)  # removes its own
            os.wait()
            names = os.listdir(os.path.dirname(box.path))
            assert f"{os.getpid()}.box" in names and f"{pid}.box" in names, names
            os.unlink(box.path)
            print("good")
            """)

    def test_children_whose_box_cannot_be_made(self):
        """If a child's black box cannot be made, a message says so, and the child continues."""
        self.check("""
            import resource
            tm.start(black_box="it.box", black_box_children=True)
            held = [bytes(100) for _ in range(1000)]
            out, into = os.pipe()
            os.dup2(into, 2)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
            if os.fork() == 0:
                assert tm.is_tracing() and total(tm.take_snapshot()) > 100_000
                os._exit(0)
            assert os.wait()[1] == 0
            assert b"has no black box" in os.read(out, 1000)
            assert [n for n in os.listdir() if n.startswith("it.box")] == ["it.box"]
            print("good")
            """)

    def test_a_child_may_have_a_box_of_its_own(self):
        self.check("""
            tm.start(1, black_box="it.box")
            pid = os.fork()
            if pid == 0:
                tm.stop()
                tm.start(1, black_box=f"it.box.{os.getpid()}")
                held = bytes(5555)
                os.kill(os.getpid(), 9)
            os.waitpid(pid, 0)
            box = tm.open_black_box(f"it.box.{pid}")
            assert box.pid == pid and box.ended is None and not box.running
            assert 5555 in [trace.size - sys.getsizeof(b"") for trace in box.snapshot().traces]
            print("good")
            """)


if __name__ == "__main__":
    unittest.main()
