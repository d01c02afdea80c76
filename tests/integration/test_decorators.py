"""Functions decorated with a scope or with labels do what they do without: the same operations on both, in random order."""

import unittest
from textwrap import dedent

from support import ScriptTest

HELPERS = """
    import asyncio, functools, inspect, itertools, pickle, random, types, warnings, weakref
    def decorations():
        "Each with a name; the first one is none."
        yield "as it is", lambda function: function
        yield "labels", tm.labels(kind="test")
        yield "scope", tm.scope("test")
        yield "both", lambda function: tm.labels(a=1)(tm.scope("test")(tm.labels(b=2)(function)))
    def told(error):
        context, cause = error.__context__, error.__cause__
        return type(error).__name__, str(error), type(context).__name__, type(cause).__name__, getattr(error, "value", None)
    def errors(chosen):
        return chosen.choice([KeyError("thrown"), GeneratorExit(), StopIteration(3), StopAsyncIteration(), ValueError])
    def compare(operate, function, rounds):
        "operate(decorated, seed) returns what was seen; it must be the same for all decorations."
        decorated = [(name, decorate(function)) for name, decorate in decorations()]
        for seed in range(rounds):
            (_name, plain), *others = [(name, operate(one, seed)) for name, one in decorated]
            for name, seen in others:
                assert seen == plain, f"{name}, seed {seed}:\\n{plain}\\n{seen}"
            assert tm.current_labels() == {}
    class Thing(KeyError):
        pass
"""

GENERATORS = """
    def body(seed, log):
        chosen = random.Random(seed)
        log.append("begun")
        for number in itertools.count():
            try:
                log.append((yield number))
                do = chosen.choice(["go", "go", "go", "go", "return", "stop", "fail"])
            except BaseException as error:
                log.append(told(error))
                do = chosen.choice(["go", "go", "return", "again", "fail within"])
                if do == "again":
                    raise
                if do == "fail within":
                    raise KeyError(number)
            if do == "return":
                return number
            if do == "stop":
                raise StopIteration(number)
            if do == "fail":
                raise ValueError(number)
    def operate(function, seed):
        chosen, log = random.Random(-seed - 1), []
        made = function(seed, log)
        for _ in range(chosen.randrange(12)):
            try:
                what = chosen.choice(["next", "next", "next", "send", "send", "throw", "close"])
                if what == "next":
                    log.append((what, next(made)))
                elif what == "send":
                    log.append((what, made.send(chosen.random())))
                elif what == "throw":
                    log.append((what, made.throw(errors(chosen))))
                else:
                    log.append((what, made.close()))
            except BaseException as error:
                log.append((what, told(error)))
        while True:
            try:
                log.append(made.close())
                return log
            except BaseException as error:  # it has yielded
                log.append(told(error))
"""

ASYNC_GENERATORS = """
    async def body(seed, log):
        chosen = random.Random(seed)
        log.append("begun")
        for number in itertools.count():
            try:
                if chosen.random() < 0.4:
                    await asyncio.sleep(0)
                log.append((yield number))
                if chosen.random() < 0.4:
                    await asyncio.sleep(0)
                do = chosen.choice(["go", "go", "go", "go", "return", "stop", "fail"])
            except BaseException as error:
                log.append(told(error))
                if chosen.random() < 0.4:
                    await asyncio.sleep(0)
                do = chosen.choice(["go", "go", "return", "again", "fail within"])
                if do == "go" and isinstance(error, GeneratorExit):
                    raise  # to yield then is an error, after which it is half closed
                if do == "again":
                    raise
                if do == "fail within":
                    raise KeyError(number)
            if do == "return":
                return
            if do == "stop":
                raise StopAsyncIteration(number)
            if do == "fail":
                raise ValueError(number)
    async def task_of(made, what, chosen):
        if what == "next":
            return await anext(made)
        if what == "send":
            return await made.asend(chosen.random())
        if what == "throw":
            return await made.athrow(errors(chosen))
        return await made.aclose()
    async def steps(function, seed, log):
        chosen = random.Random(-seed - 1)
        made = function(seed, log)
        for _ in range(chosen.randrange(12)):
            try:
                what = chosen.choice(["next", "next", "next", "send", "send", "throw", "close", "cancel"])
                if what == "cancel":
                    task = asyncio.create_task(task_of(made, "next", chosen))
                    await asyncio.sleep(0)
                    log.append(task.cancel())
                    log.append((what, await task))
                else:
                    log.append((what, await task_of(made, what, chosen)))
            except BaseException as error:
                log.append((what, told(error)))
            log.append(made.ag_running)
        return made if chosen.random() < 0.5 else None  # the loop closes it at its end, or when nobody has it any more
    def operate(function, seed):
        log = []
        async def main():
            asyncio.get_running_loop().set_exception_handler(lambda _loop, told: log.append(told["message"].partition(" <")[0]))
            kept = await steps(function, seed, log)
            for _ in range(10):
                await asyncio.sleep(0)
            return kept
        asyncio.run(main())
        return log
"""

COROUTINES = """
    @types.coroutine
    def wait(number):
        return (yield number)
    async def body(seed, log):
        chosen = random.Random(seed)
        log.append("begun")
        for number in itertools.count():
            try:
                log.append(await wait(number))
                do = chosen.choice(["go", "go", "go", "go", "return", "stop", "fail"])
            except GeneratorExit as error:
                raise  # to return a value then means something to a coroutine that nobody awaits only
            except BaseException as error:
                log.append(told(error))
                do = chosen.choice(["go", "go", "return", "again", "fail within"])
                if do == "again":
                    raise
                if do == "fail within":
                    raise KeyError(number)
            if do == "return":
                return number
            if do == "stop":
                raise StopIteration(number)
            if do == "fail":
                raise ValueError(number)
    def operate(function, seed):
        chosen, log = random.Random(-seed - 1), []
        made = function(seed, log)
        for _ in range(chosen.randrange(12)):
            try:
                what = chosen.choice(["send", "send", "send", "throw", "close"])
                if what == "send":
                    log.append((what, made.send(None if inspect.getcoroutinestate(made) == "CORO_CREATED" else 5)))
                elif what == "throw":
                    log.append((what, made.throw(errors(chosen))))
                else:
                    log.append((what, made.close()))
            except BaseException as error:
                log.append((what, told(error)))
        made.close()
        return log
"""


class DecoratorTest(ScriptTest):
    def check_decorators(self, *parts):
        self.check("".join(map(dedent, (HELPERS, *parts, '\nprint("good")\n'))))

    def test_generators(self):
        self.check_decorators(GENERATORS, "compare(operate, body, 1500)")

    def test_asynchronous_generators(self):
        self.check_decorators(ASYNC_GENERATORS, "compare(operate, body, 300)")

    def test_coroutines(self):
        self.check_decorators(COROUTINES, "compare(operate, body, 1500)")

    def test_closed_by_the_loop(self):
        """At its end, or when nobody has it any more; the cleanup awaits."""
        self.check_decorators("""
            async def numbers(log):
                try:
                    yield 1
                    yield 2
                finally:
                    log.append(tm.current_labels())
                    for _ in range(3):
                        await asyncio.sleep(0)
                    log.append("cleaned")
            async def main(decorated, log, is_kept):
                loop = asyncio.get_running_loop()
                loop.set_exception_handler(lambda _loop, told: log.append(told))
                made = decorated(log)
                await anext(made)
                if is_kept:
                    loop.kept = made
                del made
                for _ in range(10):
                    await asyncio.sleep(0)
                assert len(log) == (0 if is_kept else 2), log
            for name, decorate in decorations():
                for is_kept in (False, True):
                    decorated, log = decorate(numbers), []
                    asyncio.run(main(decorated, log, is_kept))
                    within = {"labels": {"kind": "test"}, "both": {"a": "1", "b": "2"}}.get(name, {})
                    assert log == [within, "cleaned"], (name, is_kept, log)
                    assert name != "scope" or decorated.last_scope.peak >= 0
            """)

    def test_nothing_is_kept(self):
        """Of what a function has let go: an argument, what was sent or thrown, what was yielded."""
        self.check_decorators("""
            def made(log):
                log.append(weakref.ref(thing := Thing()))
                return thing
            def generator(argument, log):
                del argument
                try:
                    while True:
                        yield made(log)
                except KeyError as error:
                    log.append(weakref.ref(error))
                yield "caught"
            async def async_generator(argument, log):
                del argument
                try:
                    while True:
                        yield made(log)
                except KeyError as error:
                    log.append(weakref.ref(error))
                yield "caught"
            async def coroutine(argument, log):
                del argument
                await asyncio.sleep(0)
                assert log[0]() is None
            async def main(function, log):
                one = function(made(log), log)
                await anext(one)
                await one.asend(made(log))
                assert all(ref() is None for ref in log), log
                await one.athrow(Thing())
                assert all(ref() is None for ref in log), log
            gc.disable()
            for name, decorate in decorations():
                log = []
                one = decorate(generator)(made(log), log)
                next(one)
                one.send(made(log))
                assert len(log) == 4 and all(ref() is None for ref in log), (name, log)
                one.throw(Thing())
                assert len(log) == 5 and log[4]() is None, name
                asyncio.run(main(decorate(async_generator), []))
                log = []
                asyncio.run(decorate(coroutine)(made(log), log))
            """)

    def test_what_inspect_says(self):
        self.check_decorators("""
            def function(a, *, b: int = 2) -> str: "Says so."
            def generator(a, b=1): yield
            async def coroutine(a, b=1): pass
            async def async_generator(a, b=1): yield
            KINDS = ("isfunction", "isgeneratorfunction", "iscoroutinefunction", "isasyncgenfunction")
            def seen(function):
                made = None if inspect.isfunction(function) and function.__name__ == "function" else function(1)
                if inspect.iscoroutine(made):
                    made.close()
                return (
                    [getattr(inspect, kind)(function) for kind in KINDS], inspect.signature(function),
                    [getattr(function, name) for name in functools.WRAPPER_ASSIGNMENTS if name != "__annotate__"],
                    type(made), getattr(made, "__name__", None), getattr(made, "__qualname__", None),
                )
            for function in (function, generator, coroutine, async_generator):
                plain, *others = [seen(decorate(function)) for _name, decorate in decorations()]
                assert others == [plain] * 3, (plain, others)
            decorated = tm.labels(a=1)(coroutine)
            with warnings.catch_warnings(record=True) as found:
                warnings.simplefilter("always")
                decorated(1)
            assert str(found[0].message) == "coroutine 'coroutine' was never awaited", found[0].message
            """)

    def test_methods_and_others(self):
        self.check_decorators("""
            @types.coroutine
            def awaited(): return (yield 1)
            @tm.scope("pickled")
            def pickled(): pass
            assert pickle.loads(pickle.dumps(pickled)) is pickled
            for _name, decorate in decorations():
                class Of:
                    @decorate
                    @staticmethod
                    def above_static(n): return n
                    @staticmethod
                    @decorate
                    def below_static(n): return n
                    @decorate
                    @classmethod
                    def above_class(cls, n): return cls, n
                    @classmethod
                    @decorate
                    def below_class(cls, n): return cls, n
                    @decorate
                    def method(self, n): return type(self), n
                    @decorate
                    @staticmethod
                    def generator(n): yield n
                for of in (Of, Of()):
                    assert of.above_static(1) == of.below_static(1) == 1 and list(of.generator(2)) == [2]
                    assert of.above_class(1) == of.below_class(1) == (Of, 1)
                assert Of().method(1) == (Of, 1)
                async def waits():
                    return await decorate(awaited)()
                made = waits()
                assert made.send(None) == 1
                try:
                    made.send(5)
                except StopIteration as stop:
                    assert stop.value == 5
                partial = decorate(functools.partial(lambda a, b: (a, b), 1))
                assert partial(2) == (1, 2)
            class Scoped:
                @tm.scope("static")
                @staticmethod
                def static(): return 1
                @tm.scope("class")
                @classmethod
                def of_class(cls): return 1
            assert Scoped.static.last_scope is None and Scoped.static() == Scoped().of_class() == 1
            assert Scoped.static.last_scope.name == "static" and Scoped.of_class.last_scope.name == "class"
            """)


if __name__ == "__main__":
    unittest.main()
