"""ctracemalloc.frameworks.aiohttp, grpc, celery and rq: a server under load, and workers with what stands in for a broker."""

import asyncio
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor

import ctracemalloc
from cli_support import skip_most_pythons
from frameworks_support import EACH, THREADS, FrameworkTest


def setUpModule():
    skip_most_pythons()


class LoopTest(FrameworkTest):
    """A server on an event loop in a thread."""

    def run_loop(self, main):
        """main(stop, begun): a coroutine function; begun(port) when it serves."""
        ports, ready = [], threading.Event()
        loop = asyncio.new_event_loop()
        stop = asyncio.Event()

        def begun(port):
            ports.append(port)
            ready.set()

        def run():
            try:
                loop.run_until_complete(main(stop, begun))
            finally:
                loop.close()

        self.in_thread(run, lambda: loop.call_soon_threadsafe(stop.set))
        self.assertTrue(ready.wait(20))
        self.port = ports[0]


class AiohttpTest(LoopTest):
    def test_aiohttp(self):
        self.needs("aiohttp")
        from aiohttp import web
        from ctracemalloc.frameworks.aiohttp import label_requests

        async def order(request):
            await asyncio.sleep(0)
            return web.Response(body=self.keep(10, request.match_info["number"]))

        async def stream(request):
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"first")
            await asyncio.sleep(0)
            await response.write(self.keep(20, request.match_info["number"]))
            return response

        @web.middleware
        async def not_found(request, handler):
            try:
                return await handler(request)
            except web.HTTPNotFound:
                return web.Response(status=404, body=self.keep(30, request.path.split("/")[-1]))

        async def main(stop, begun):
            app, inner = web.Application(middlewares=[label_requests, not_found]), web.Application()
            app.router.add_get("/orders/{number:[0-9]+}", order)
            inner.router.add_post("/stream/{number}", stream)
            app.add_subapp("/api", inner)
            runner = web.AppRunner(app)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            begun(runner.addresses[0][1])
            await stop.wait()
            await runner.cleanup()

        self.run_loop(main)
        paths = [("/orders/", "GET", 200), ("/api/stream/", "POST", 200), ("/none/", "GET", 404)]
        for path, method, status in paths:
            self.get(self.port, f"{path}0", method, status)
        self.keeper.held.clear()
        self.trace()
        self.in_threads(
            lambda number: [self.get(self.port, f"{path}{number}", method, status) for path, method, status in paths]
        )
        self.check(
            {
                10: {"route": "/orders/{number}", "method": "GET"},
                20: {"route": "/api/stream/{number}", "method": "POST"},
                30: {"route": "other", "method": "GET"},
            }
        )


class GrpcTest(LoopTest):
    KINDS = {
        10: "/shop.Orders/Get",
        20: "/shop.Orders/List",
        30: "/shop.Orders/Put",
        40: "/shop.Orders/Talk",
        50: "/shop.Orders/Iterator",
    }

    def setUp(self):
        super().setUp()
        self.needs("grpc")

    def handlers(self, get, listed, put, talk, iterator):
        import grpc

        reads = {"request_deserializer": self.read}
        methods = {
            "Get": grpc.unary_unary_rpc_method_handler(get, **reads),
            "List": grpc.unary_stream_rpc_method_handler(listed, **reads),
            "Put": grpc.stream_unary_rpc_method_handler(put, **reads),
            "Talk": grpc.stream_stream_rpc_method_handler(talk, **reads),
            "Iterator": grpc.unary_stream_rpc_method_handler(iterator, **reads),
        }
        return grpc.method_handlers_generic_handler("shop.Orders", methods)

    def read(self, data):
        number = int(data)
        if self.reading:
            self.keep(self.reading, number)
        return number

    reading = 0

    def load(self):
        import grpc

        channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        self.addCleanup(channel.close)
        calls = [
            lambda number: channel.unary_unary("/shop.Orders/Get")(b"%d" % number),
            lambda number: list(channel.unary_stream("/shop.Orders/List")(b"%d" % number)),
            lambda number: channel.stream_unary("/shop.Orders/Put")(iter([b"%d" % number])),
            lambda number: list(channel.stream_stream("/shop.Orders/Talk")(iter([b"%d" % number]))),
            lambda number: list(channel.unary_stream("/shop.Orders/Iterator")(b"%d" % number)),
        ]
        for call in calls:
            call(0)
        self.keeper.held.clear()
        self.trace()
        self.in_threads(lambda number: [call(number) for call in calls])
        with self.assertRaises(grpc.RpcError) as caught:
            channel.unary_unary("/shop.Orders/None")(b"0")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.check({kind: {"route": route} for kind, route in self.KINDS.items()})
        self.keeper.held.clear()
        ctracemalloc.clear_traces()
        self.reading = 60  # now what is made while a request is read
        self.in_threads(calls[0])
        self.reading = 0
        self.keeper.held = [block for block in self.keeper.held if len(block) >= 60_000]
        self.check({60: {"route": "/shop.Orders/Get"}})

    def test_threads(self):
        import grpc
        from ctracemalloc.frameworks.grpc import LabelInterceptor

        def get(number, context):
            return self.keep(10, number)

        def listed(number, context):
            yield b"first"
            yield self.keep(20, number)

        def put(numbers, context):
            (number,) = numbers
            return self.keep(30, number)

        def talk(numbers, context):
            for number in numbers:
                yield self.keep(40, number)

        def iterator(number, context):  # no generator function
            return map(self.keep, [50], [number])

        server = grpc.server(ThreadPoolExecutor(4), interceptors=[LabelInterceptor()])
        server.add_generic_rpc_handlers((self.handlers(get, listed, put, talk, iterator),))
        self.port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(lambda: server.stop(None).wait(20))
        self.load()

    def test_asyncio(self):
        import grpc.aio
        from ctracemalloc.frameworks.grpc import AsyncLabelInterceptor

        async def get(number, context):
            await asyncio.sleep(0)
            return self.keep(10, number)

        async def listed(number, context):
            yield b"first"
            await asyncio.sleep(0)
            yield self.keep(20, number)

        async def put(numbers, context):
            (number,) = [number async for number in numbers]
            return self.keep(30, number)

        async def talk(numbers, context):
            async for number in numbers:
                yield self.keep(40, number)

        async def iterator(number, context):  # writes by itself
            await context.write(self.keep(50, number))

        async def main(stop, begun):
            server = grpc.aio.server(interceptors=[AsyncLabelInterceptor()])
            server.add_generic_rpc_handlers((self.handlers(get, listed, put, talk, iterator),))
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            begun(port)
            await stop.wait()
            await server.stop(None)

        self.run_loop(main)
        self.load()


class CeleryTest(FrameworkTest):
    def setUp(self):
        super().setUp()
        self.needs("celery")
        from celery import Celery
        from ctracemalloc.frameworks.celery import label_tasks

        label_tasks()
        label_tasks()  # twice is the same as once
        self.app = Celery("test", broker="memory://", backend="cache+memory://", set_as_current=False)
        self.app.conf.broker_transport_options = {"polling_interval": 0.02}  # seconds; by default 1

        @self.app.task(name="shop.inner", shared=False)
        def inner(number):
            self.keep(10, number)

        @self.app.task(name="shop.outer", shared=False)
        def outer(number):
            self.keep(20, number)
            inner.apply(args=(number,))
            self.keep(30, number)
            if number % 2:
                raise ValueError(number)

        self.outer = outer

    def check_tasks(self):
        self.check({10: {"task": "shop.inner"}, 20: {"task": "shop.outer"}, 30: {"task": "shop.outer"}})

    def test_eager(self):
        self.app.conf.task_always_eager = True
        self.outer.delay(0)
        self.keeper.held.clear()
        self.trace()
        self.in_threads(lambda number: self.outer.delay(number))
        self.check_tasks()

    def test_worker(self):
        from celery.contrib.testing.worker import start_worker

        with start_worker(self.app, pool="threads", concurrency=4, perform_ping_check=False, loglevel="CRITICAL"):
            self.outer.delay(0).get(timeout=20, interval=0.01)
            self.keeper.held.clear()
            self.trace()
            results = [self.outer.delay(number) for number in range(THREADS * EACH)]
            for result in results:
                result.get(timeout=20, interval=0.01, propagate=False)
            self.check_tasks()


kept = None  # RQ finds a job's function by its name


def rq_job(number):
    kept(10, number)
    if number % 2:
        raise ValueError(number)


class RqTest(FrameworkTest):
    def test_worker(self):
        self.needs("rq", "fakeredis")
        import fakeredis
        import rq
        from ctracemalloc.frameworks.rq import LabelJob

        global kept
        kept = self.keep
        connection = fakeredis.FakeStrictRedis()
        queue = rq.Queue(connection=connection)
        worker = rq.SimpleWorker([queue], connection=connection, job_class="ctracemalloc.frameworks.rq.LabelJob")
        self.assertIs(worker.job_class, LabelJob)
        self.trace()
        for number in range(THREADS * EACH):
            queue.enqueue(rq_job, number)
        worker.work(burst=True, logging_level="CRITICAL")
        self.check({10: {"task": f"{__name__}.rq_job"}})


if __name__ == "__main__":
    unittest.main()
