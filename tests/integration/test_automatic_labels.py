"""start(labels=("thread", "task")): each block has the name of the thread that allocated it, and of its task."""

from textwrap import dedent

from support import ScriptTest, needs
from test_labels import HELPERS

MORE = """
    import concurrent.futures, time
    def own(**labels):
        return block(thread=threading.current_thread().name, **labels)
"""


class AutomaticTest(ScriptTest):
    def check_labels(self, script, **keywords):
        self.check(dedent(HELPERS) + dedent(MORE) + dedent(script) + '\nprint("good")\n', **keywords)


class ThreadTest(AutomaticTest):
    def test_threads_that_begin_and_end(self):
        self.check_labels("""
            for nframe in (1, 5):
                tm.start(nframe, labels=("thread",))
                block(thread="MainThread")
                def work(n):
                    own()
                    with tm.labels(a=n % 3):
                        own(a=n % 3)
                        time.sleep(0.001)
                        own(a=n % 3)
                    own()
                for group in range(4):
                    threads = [threading.Thread(target=work, args=(n,), name=f"worker {n % 5}") for n in range(20)]
                    for thread in threads: thread.start()
                    own()
                    for thread in threads: thread.join()
                check()
                tm.stop()
                held.clear(); expected.clear()
            """)

    def test_contexts_go_from_thread_to_thread(self):
        """A thread that runs in the context of another one has its own name."""
        self.check_labels("""
            tm.start(3, labels=["thread"])
            async def main():
                with tm.labels(request=1):
                    own(request=1)
                    for _ in range(5):
                        await asyncio.gather(*(asyncio.to_thread(own, request=1) for _ in range(8)))
                    own(request=1)
            asyncio.run(main())
            with tm.labels(a="x"):
                context = contextvars.copy_context()
                thread = threading.Thread(target=context.run, args=(lambda: own(a="x"),))
                thread.start(); thread.join()
                own(a="x")
            with concurrent.futures.ThreadPoolExecutor(4, thread_name_prefix="pool") as pool:
                list(pool.map(lambda n: (own(), time.sleep(0.001)), range(40)))
            check()
            """)

    def test_threads_from_before(self):
        self.check_labels("""
            begin, end = threading.Barrier(4), threading.Barrier(4)
            def work():
                begin.wait()
                own()
                with tm.labels(b=1):
                    own(b=1)
                end.wait()
            threads = [threading.Thread(target=work, name=f"before-{n}") for n in range(3)]
            for thread in threads: thread.start()
            tm.start(labels=("thread",))
            begin.wait(); end.wait()
            for thread in threads: thread.join()
            check()
            """)

    def test_other_names(self):
        self.check_labels("""
            tm.start(labels=("thread",))
            def work():
                own()
                threading.current_thread().name = "second \\udcff\\0"
                block(thread="second ??")
                with tm.labels(c=1):
                    block(thread="second ??", c=1)
                    threading.current_thread().name = "x" * 5000
                    block(thread="x" * 256, c=1)
                    ready.set(); renamed.wait()
                    block(thread="third", c=1)
                block(thread="third")
            ready, renamed = threading.Event(), threading.Event()
            thread = threading.Thread(target=work)
            thread.start()
            ready.wait(); thread.name = "third"; renamed.set()
            thread.join()
            threading.current_thread().name = "main"
            block(thread="main")
            assert tm.current_labels() == {"thread": "main"}
            with tm.labels(thread="mine"):
                block(thread="mine")
                assert tm.current_labels() == {"thread": "mine"}
            check()
            """)

    def test_threads_that_nobody_named(self):
        """Threads of C, or of _thread: `threading` does not know them."""
        self.check_labels("""
            import _thread
            tm.start(labels=("thread",))
            for n in range(10):
                named = threading.Thread(target=own)
                named.start(); named.join()
                done = _thread.allocate_lock()
                done.acquire()
                def work():
                    block()
                    with tm.labels(n=n):
                        block(n=n)
                    done.release()
                _thread.start_new_thread(work, ())
                done.acquire()
                time.sleep(0.005)
            check()
            """)

    def test_marks_and_scopes(self):
        self.check_labels("""
            tm.start(labels=("thread",))
            with tm.labels(a=1):
                own(a=1)
                tm.mark("one")
                own(a=1, mark="one")
            own(mark="one")
            with tm.scope("s") as scope:
                thread = threading.Thread(target=own, kwargs={"mark": "one"})
                own(mark="one")
                thread.start(); thread.join()
                with tm.labels(b=2):
                    own(b=2, mark="one")
            assert {trace.labels["thread"] for trace in scope.live_snapshot().traces} == {"MainThread"}
            with tm.scope("all", whole_process=True) as scope:
                thread = threading.Thread(target=own, kwargs={"mark": "one"}, name="other")
                thread.start(); thread.join()
                own(mark="one")
            of_scope = {trace.labels.get("thread") for trace in scope.live_snapshot().traces}
            assert of_scope >= {"MainThread", "other"}, of_scope
            tm.mark(None)
            own()
            check()
            """)

    def test_without_and_with_the_gil(self):
        """Blocks of the raw domain have the labels that the thread's others have."""
        self.check("""
            import ctypes, threading, mmap, zlib
            tm.start(labels=("thread",))
            raw = ctypes.CDLL(None)  # without the GIL
            raw.PyMem_RawMalloc.restype, raw.PyMem_RawMalloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
            def work():
                for size in range(100_000, 100_010):
                    raw.PyMem_RawMalloc(size)
            threads = [threading.Thread(target=work, name=f"raw-{n}") for n in range(3)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            found = {}
            for trace in tm.take_snapshot().traces:
                if 100_000 <= trace.size < 100_010:
                    found.setdefault(trace.labels.get("thread"), []).append(trace.size)
            assert found == {f"raw-{n}": found["raw-0"] for n in range(3)} and len(found["raw-0"]) == 10, found
            print("good")
            """)

    def test_a_block_that_grows(self):
        """The first event that needs a new handle may be that of a block that is moved."""
        self.check("""
            more = bytes(123_456)
            for options in ({}, {"sample_interval": 1}):
                tm.start(labels=("thread",), **options)
                data = bytearray(10)
                tm.mark("m")
                data += more
                [trace] = [trace for trace in tm.take_snapshot().traces if trace.size > 123_000]
                assert trace.labels == {"thread": "MainThread", "mark": "m"}, (options, trace.labels)
                tm.stop()
            print("good")
            """)

    def test_samples(self):
        self.check("""
            import threading
            tm.start(sample_interval=1000, labels=("thread",))
            held = []
            def work(n):
                with tm.labels(n=n):
                    held.append([bytes(2000) for _ in range(500)])
            threads = [threading.Thread(target=work, args=(n,), name=f"worker-{n}") for n in range(4)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            snapshot = tm.take_snapshot()
            for trace in snapshot.traces:
                if trace.size == 2033:
                    assert trace.labels == {"thread": f"worker-{trace.labels['n']}", "n": trace.labels["n"]}, trace.labels
            assert {f"worker-{n}" for n in range(4)} <= {s.traceback[0].filename for s in snapshot.statistics("label:thread")}
            print("good")
            """)

    def test_classes_of_the_programs_own(self):
        """Nothing of them is called to know the name: it would run where no program's code ran before."""
        self.check_labels("""
            class Ident(threading.Thread):
                ident = "w1"
            class Name(threading.Thread):
                @property
                def name(self): raise RuntimeError("not yet")
            class Text(str):
                def __str__(self): raise RuntimeError("never")
            class Alive(threading.Thread):
                def is_alive(self): raise RuntimeError("never")
            tm.start(labels=("thread",))
            begin, end = threading.Barrier(4), threading.Barrier(4)
            def work(name):
                block(thread=name)
                begin.wait(); end.wait()
                block(thread=name)
            threads = [Ident(target=work, args=("i",), name="i"), Name(target=work, args=("n",), name="n"),
                       Alive(target=work, args=("a",), name="a")]
            for thread in threads: thread.start()
            begin.wait()
            tm.start(labels=("thread",))
            threading.Thread.name.fset(threads[2], "a")
            end.wait()
            for thread in threads: threading.Thread.join(thread) if type(thread) is not Alive else thread.join()
            thread = threading.Thread(target=block, kwargs={"thread": "t"}, name="t")
            thread._name = Text("t")
            thread.start(); thread.join()
            class Sub(threading.Thread): pass
            threading.Thread = Sub
            tm.stop()
            held.clear(); expected.clear()
            tm.start(labels=("thread",))
            thread = Sub(target=block, kwargs={"thread": "s"}, name="s"); thread.start(); thread.join()
            check()
            """)

    def test_a_start_that_fails(self):
        self.check_labels("""
            for tracing in (False, True):
                if tracing:
                    tm.start()
                try:
                    tm.start(labels=("thread",), black_box="/nonexistent/x")
                except OSError:
                    pass
                else:
                    raise AssertionError
                assert tm.current_labels() == {}
            block()
            check()
            """)

    def test_with_a_black_box(self):
        self.check_labels("""
            tm.start(labels=("thread",), black_box="x.box")
            threads = [threading.Thread(target=own, name=f"w{n}") for n in range(3)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            check()
            with tm.open_black_box("x.box") as box:
                found = {row.traceback[0].filename for row in box.snapshot().statistics("label:thread")}
            assert found >= {"MainThread", "w0", "w1", "w2"}, found
            """)

    def test_only_where_asked(self):
        self.check_labels("""
            tm.start(labels=("thread",)); tm.stop()
            tm.start()
            thread = threading.Thread(target=block); thread.start(); thread.join()
            block()
            assert tm.current_labels() == {}
            check()
            tm.start(labels=("thread", "task"))  # tracing is on
            own()
            thread = threading.Thread(target=own); thread.start(); thread.join()
            tm.start()
            own()
            check()
            tm.clear_traces()
            held.clear(); expected.clear()
            own()
            check()
            for wrong, error in (("thread", TypeError), (("thread", "process"), ValueError), (1, TypeError)):
                try:
                    tm.start(labels=wrong)
                except error as raised:
                    assert wrong == 1 or "thread" in str(raised), raised
                else:
                    raise AssertionError(wrong)
            tm.stop()
            tm.start(labels=None)
            held.clear(); expected.clear()
            block()
            check()
            """)

    def test_forks(self):
        self.check_labels(
            """
            import os
            tm.start(labels=("thread",))
            own()
            def work():
                pid = os.fork()
                if pid == 0:
                    own()
                    thread = threading.Thread(target=own, name="of the child"); thread.start(); thread.join()
                    import _thread
                    for _ in range(5):  # with idents of threads that the parent had
                        done = _thread.allocate_lock(); done.acquire()
                        _thread.start_new_thread(lambda: (block(), done.release()), ())
                        done.acquire()
                    check()
                    os._exit(7)
                answers.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                own()
            idle = threading.Event()
            others = [threading.Thread(target=idle.wait, name=f"idle {n}") for n in range(5)]
            for thread in others: thread.start()
            answers = []
            thread = threading.Thread(target=work, name="forking"); thread.start(); thread.join()
            assert answers == [7]
            idle.set()
            check()
            """,
            python=("-W", "ignore"),
        )

    def test_nothing_is_kept_of_threads(self):
        self.check("""
            import threading, os
            tm.start(labels=("thread",))
            def work():
                with tm.labels(a=threading.current_thread().name): pass
            def run(number):
                for n in range(number):
                    thread = threading.Thread(target=work); thread.start(); thread.join()
            def run_within():
                with tm.labels(long="lived"):
                    run(3000)
            for _ in range(5):  # until there are as many label sets as are known at a time
                run_within()
            before = tm.get_tracemalloc_memory(), int(open("/proc/self/statm").read().split()[1])
            run_within()
            after = tm.get_tracemalloc_memory(), int(open("/proc/self/statm").read().split()[1])
            assert after[0] - before[0] < 300_000 or "CTM_SANITIZED" in os.environ, (before, after)
            assert not tm.take_snapshot().losses
            print("good")
            """)

    def test_nothing_is_kept_of_threads_without_names(self):
        """The extension asks the C library for the memory of a name and of what a label set has of it."""
        self.check("""
            import contextvars, ctypes, os, threading, _thread
            class Information(ctypes.Structure):
                _fields_ = [(f"field{n}", ctypes.c_size_t) for n in range(10)]
            libc = ctypes.CDLL(None)
            libc.mallinfo2.restype = Information
            in_use = lambda: libc.mallinfo2().field7
            tm.start(labels=("thread",))
            done = _thread.allocate_lock()
            def work():
                with tm.labels(within="set"): bytearray(1000)
                bytearray(1000)
                done.release()
            def run(number):
                for n in range(number):
                    done.acquire()
                    _thread.start_new_thread(contextvars.copy_context().run, (work,))
            with tm.labels(long="lived"):
                run(1000)
                before = in_use()
                run(3000)
                after = in_use()
            assert after - before < 48_000 or "CTM_SANITIZED" in os.environ, (before, after)
            assert not tm.take_snapshot().losses
            print("good")
            """)

    @needs("greenlet")
    def test_greenlets(self):
        self.check_labels("""
            import greenlet
            tm.start(3, labels=("thread",))
            def work(n):
                with tm.labels(n=n):
                    for _ in range(5):
                        own(n=n)
                        greenlet.getcurrent().parent.switch()
            def run():
                lets = [greenlet.greenlet(work) for _ in range(6)]
                for _ in range(6):
                    for n, let in enumerate(lets):
                        if not let.dead:
                            let.switch(n) if not let else let.switch()
                            own()
            threads = [threading.Thread(target=run) for _ in range(3)]
            for thread in threads: thread.start()
            run()
            for thread in threads: thread.join()
            check()
            """)


TASKS = """
    async def leaf(expected_task, n):
        block(task=expected_task)
        await asyncio.sleep(0)
        with tm.labels(n=n):
            block(task=expected_task, n=n)
            await asyncio.sleep(0.001)
            block(task=expected_task, n=n)
        await asyncio.to_thread(block, task=expected_task)
        block(task=expected_task)

    async def main():
        block(task="main")
        named = [asyncio.create_task(leaf(f"named {n}", n), name=f"named {n}") for n in range(5)]
        plain = [asyncio.ensure_future(leaf("leaf", n)) for n in range(5)]
        async with asyncio.TaskGroup() as group:
            group.create_task(leaf("of a group", 7), name="of a group")
            group.create_task(leaf("leaf", 8))
        await asyncio.gather(*named, *plain, leaf("leaf", 9))
        await leaf("main", 10)
        assert tm.current_labels() == {"task": "main"}
"""


class TaskTest(AutomaticTest):
    def test_asyncio(self):
        self.check_labels(
            dedent(TASKS)
            + dedent("""
            for debug in (False, True):
                tm.start(3, labels=("task",))
                asyncio.run(main(), debug=debug)
                block()
                check()
                tm.stop()
                held.clear(); expected.clear()
            """)
        )

    @needs("uvloop")
    def test_uvloop(self):
        self.check_labels(
            dedent(TASKS)
            + dedent("""
            tm.start(labels=("task",))
            import uvloop
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(main())
            check()
            """)
        )

    def test_programs_that_do_not_notice(self):
        """Task factories, contexts of the program's own, the names of tasks, and where debug mode says that they were made."""
        self.check_labels("""
            tm.start(labels=("task",))
            import os
            class Other:  # no task, and without weak references
                __slots__ = ("coro",)
                def __init__(self, coro): coro.close()
                def set_name(self, name): pass
            async def leaf(**labels):
                block(**labels)
                return asyncio.current_task().get_name()
            async def main():
                loop = asyncio.get_running_loop()
                assert (await asyncio.create_task(leaf(task="leaf"))).startswith("Task-")
                assert await asyncio.create_task(leaf(task="x"), name="x") == "x"
                with tm.labels(mine=1):
                    context = contextvars.copy_context()
                for name in "yzy":
                    assert await asyncio.create_task(leaf(task=name, mine=1), name=name, context=context) == name
                copied = contextvars.copy_context()  # has this task's label
                await asyncio.create_task(leaf(task="of a copy"), name="of a copy", context=copied)
                await asyncio.to_thread(lambda: asyncio.run(leaf(task="leaf")))
                made = []
                def factory(loop, coro, **keywords):
                    made.append(sorted(keywords))
                    return asyncio.Task(coro, loop=loop, **keywords)
                loop.set_task_factory(factory)
                await asyncio.create_task(leaf(task="leaf"))
                assert not made[0] or "context" in made[0] or made[0] == ["name"], made
                loop.set_task_factory(None)
                loop.set_debug(True)
                for factory in (None, lambda loop, coro, **keywords: asyncio.Task(coro, loop=loop, **keywords)):
                    loop.set_task_factory(factory)
                    task = asyncio.create_task(leaf(task="leaf"))
                    frames = [(os.path.basename(frame.filename), frame.name) for frame in task._source_traceback]
                    assert not any("automatic_labels" in name for name, _function in frames), frames
                    assert ("tasks.py", "create_task") in frames, frames
                    await task
                loop.set_task_factory(lambda loop, coro, **keywords: Other(coro))
                asyncio.create_task(leaf(task="leaf"))
                loop.set_task_factory(None)
                class Name:
                    def __str__(self): names.append(1); return "n"
                names = []
                task = asyncio.create_task(leaf(task="leaf"), name=Name())
                await task
                assert len(names) == 1 and task.get_name() == "n"
                if hasattr(asyncio, "eager_task_factory"):
                    loop.set_debug(False)
                    loop.set_task_factory(asyncio.eager_task_factory)
                    await asyncio.create_task(leaf(task="leaf"))
                    block(task="main")
            asyncio.run(main())
            check()
            """)

    def test_both(self):
        self.check_labels("""
            tm.start(labels=("task", "thread"))
            async def leaf(n):
                own(task="leaf")
                await asyncio.sleep(0)
                with tm.labels(n=n):
                    own(task="leaf", n=n)
                    await asyncio.to_thread(own, task="leaf", n=n)
            async def main():
                await asyncio.gather(*(leaf(n) for n in range(10)))
            threads = [threading.Thread(target=asyncio.run, args=(main(),), name=f"loop {n}") for n in range(3)]
            for thread in threads: thread.start()
            asyncio.run(main())
            for thread in threads: thread.join()
            check()
            rows = {row.traceback[0].filename for row in tm.take_snapshot().statistics("label:thread")}
            assert rows >= {"loop 0", "loop 1", "loop 2", "MainThread"}, rows
            """)
