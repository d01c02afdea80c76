"""Which line grows, and since when? Records a service with a leak while it works, and reads the recording.

Run it:  python examples/python/memory_over_time.py
"""

import os
import tempfile
import time

import ctracemalloc

SESSIONS = {}


def handle(number):
    page = "<html>" + "x" * 10_000  # freed when the request is answered
    if number >= 300:
        SESSIONS[number] = bytearray(5_000)  # the leak: since a new release, say
    return len(page)


def serve(path):
    ctracemalloc.start()
    with ctracemalloc.record(path, interval=0.05):
        for number in range(600):
            handle(number)
            time.sleep(0.001)
    ctracemalloc.stop()


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "service.ctr")
        serve(path)
        recording = ctracemalloc.open_recording(path)
        print(f"{len(recording)} moments in {recording.times[-1]:.1f} s; peak {recording.peak.size:,} bytes")
        worst = recording.series("lineno", top=1)[0]
        print(f"grew by {worst.growth:,} bytes: {os.path.basename(worst.place.filename)}:{worst.place.lineno}")
        begin = next(index for index, size in enumerate(worst.sizes) if size > 0)
        print(f"nothing was there until {worst.times[begin - 1]:.2f} s")
        for difference in recording.diff(start=worst.times[begin], key_type="function")[:1]:
            print(f"since then: {difference.size_diff:+,} bytes in {difference.traceback[0].name}")


if __name__ == "__main__":
    main()
