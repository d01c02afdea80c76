"""async: a chain of awaits, gathered tasks, async generators and context variables."""

import asyncio
import contextvars

MOMENTS = ["waiting", "done"]
request = contextvars.ContextVar("request")


async def leaf(n, held):
    held.append({"n": n, "data": bytearray(n + 10)})
    await asyncio.sleep(0)
    return [n] * 3


async def middle(n, held):
    request.set(f"request {n}")
    first = await leaf(n, held)
    second = await leaf(n + 1, held)
    return first + second


async def ticks(limit):
    for n in range(limit):
        yield [n, float(n)]


async def program(moment):
    held = []
    gate = asyncio.Event()

    async def waiter(n):
        result = await middle(n, held)
        await gate.wait()
        return result

    tasks = [asyncio.ensure_future(waiter(n)) for n in range(40)]
    for _ in range(10):
        await asyncio.sleep(0)
    moment("waiting")
    gate.set()
    results = await asyncio.gather(*tasks)
    collected = [item async for item in ticks(100)]
    moment("done")
    return results, collected


def main(moment):
    asyncio.run(program(moment))
