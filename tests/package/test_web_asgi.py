"""web.asgi_app without a server: a client that leaves while it is to wait. test_web_mounted.py has the rest."""

import asyncio
import unittest

from cli_support import skip_most_pythons
from ctracemalloc.web import asgi_app
from ctracemalloc.web.profiles import MOST_WAITING
from web_support import TracedTest


def setUpModule():
    skip_most_pythons()


class Client:
    """What a server gives an application for one request, and what it gets."""

    def __init__(self, *messages, then="stays"):
        self.messages, self.then, self.status = list(messages), then, None
        self.is_asked, self.leaves = asyncio.Event(), asyncio.Event()

    async def receive(self):
        if self.messages:
            return self.messages.pop(0)
        self.is_asked.set()
        if self.then == "fails":
            raise RuntimeError("no message")
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.status = message.get("status", self.status)

    def scope(self, seconds):
        return {
            "type": "http",
            "method": "GET",
            "path": "/debug/pprof/heap",
            "query_string": b"seconds=%d" % seconds if seconds else b"",
            "headers": [(b"host", b"localhost")],
            "client": ("127.0.0.1", 1),
        }

    def ask(self, app, seconds):
        return asyncio.ensure_future(app(self.scope(seconds), self.receive, self.send))


BODY = {"type": "http.request", "body": b"", "more_body": False}


class LeavingTest(TracedTest, unittest.IsolatedAsyncioTestCase):
    async def test_a_client_that_leaves_ends_its_request(self):
        client = Client(BODY)
        asked = client.ask(asgi_app(token=None), 60)
        await asyncio.wait_for(client.is_asked.wait(), 20)
        client.leaves.set()
        await asyncio.wait_for(asked, 20)
        self.assertIsNone(client.status)

    async def test_others_wait_in_its_place(self):
        app = asgi_app(token=None)
        clients = [Client(BODY) for _ in range(MOST_WAITING)]
        asked = [client.ask(app, 60) for client in clients]
        for client in clients:
            await asyncio.wait_for(client.is_asked.wait(), 20)
        refused = Client(BODY)
        await refused.ask(app, 1)
        self.assertEqual(refused.status, 503)
        clients[0].leaves.set()
        await asyncio.wait_for(asked[0], 20)
        asked[1].cancel()  # by the server
        await asyncio.gather(asked[1], return_exceptions=True)
        more = [Client(BODY) for _ in range(2)]
        done = [client.ask(app, 1) for client in more]
        await asyncio.wait_for(asyncio.gather(*done), 20)
        self.assertEqual([client.status for client in more], [200, 200])
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    async def test_who_stays_gets_the_answer(self):
        app = asgi_app(token=None)
        for client in (Client(BODY), Client(), Client(*[BODY] * 5), Client(then="fails")):
            await asyncio.wait_for(client.ask(app, 1), 20)
            self.assertEqual(client.status, 200)


if __name__ == "__main__":
    unittest.main()
