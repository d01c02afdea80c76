"""Threads that allocate one after the other, and are still alive at the moment."""

import threading

MOMENTS = ["alive", "ended"]


def work(number, turn, done, release, held):
    turn.wait()
    for n in range(200):
        held.append((number, [n] * 4, bytearray(n)))
    mine = {key: str(key) * 20 for key in range(100)}
    done.set()
    release.wait()
    held.append(len(mine))


def main(moment):
    held, workers = [], []
    release = threading.Event()
    for number in range(6):
        turn, done = threading.Event(), threading.Event()
        worker = threading.Thread(target=work, args=(number, turn, done, release, held))
        worker.start()
        turn.set()
        done.wait()
        workers.append(worker)
    moment("alive")
    release.set()
    for worker in workers:
        worker.join()
    moment("ended")
    return held
