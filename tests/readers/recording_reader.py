"""A second reader of recordings, in plain Python, written from docs/formats/recording.md alone. See test_recording_format.py.

usage: recording_reader.py FILE: prints its ticks
"""

import sys


def crc32c_of_byte(byte):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


CRC32C = [crc32c_of_byte(byte) for byte in range(256)]


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ CRC32C[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


class Payload:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def numbers(self, count):
        return [self.number() for _ in range(count)]

    def signed(self):
        return unfold(self.number())

    def text(self):
        return self.take(self.number()).decode("utf-8", "surrogatepass")

    def take(self, count):
        self.at += count
        return self.data[self.at - count : self.at]


def unfold(value):
    return value >> 1 if value % 2 == 0 else -(value + 1 >> 1)


class Store:
    def __init__(self):
        self.strings, self.functions, self.frames, self.tracebacks, self.labels = [""], [None], [None], [None], [()]
        self.sites = [None]  # (size, domain, traceback, labels)
        self.allocated, self.live = [0], [0]
        self.expected = []  # [id, pace, rest]

    def read_rows(self, payload):
        counts = payload.numbers(6)
        for _ in range(counts[0]):
            self.strings.append(payload.take(payload.number()).decode("utf-8", "surrogatepass"))
        for _ in range(counts[1]):
            self.functions.append((*payload.numbers(2), payload.signed()))
        for _ in range(counts[2]):
            self.frames.append((payload.number(), payload.signed()))
        for _ in range(counts[3]):
            self.tracebacks.append((*payload.numbers(2), payload.signed()))
        for _ in range(counts[4]):
            self.labels.append(payload.numbers(3))
        for _ in range(counts[5]):
            self.sites.append(payload.numbers(4))
            self.allocated.append(0)
            self.live.append(0)

    def read_list(self, payload):
        """Read the list of one tick; None: the store is not listed."""
        expected, after = iter([*self.expected]), []
        ratio, woken, last = (1, 1), False, 0
        waiting = len(self.expected)

        def forecast(site):
            _id, pace, rest = site
            if rest and not woken:
                return 0
            return (2 * pace * ratio[0] + ratio[1]) // (2 * ratio[1])

        def met(site, allocated, live):
            nonlocal ratio, woken, waiting, last
            waiting -= 1
            last, pace, rest = site
            self.allocated[last] += allocated
            self.live[last] += live
            if rest:
                woken = allocated != 0
            if allocated == 0:
                if rest + 1 < 16:
                    after.append([last, pace, rest + 1])
                return
            if pace:
                ratio = (min(allocated, 2**31), pace)
            after.append([last, min(allocated, 2**31), 0])

        while payload is not None:
            head = payload.number()
            kind, value = head & 7, head >> 3
            if kind == 0:
                break
            if kind in (1, 2):
                for _ in range(value):
                    site = next(expected)
                    met(site, forecast(site) if kind == 1 else 0, 0)
            elif kind == 6:
                last += value
                allocated, live = payload.number(), payload.signed()
                self.allocated[last] += allocated
                self.live[last] += live
                after.append([last, min(allocated, 2**31), 0])
            else:
                site = next(expected)
                allocated = forecast(site) + (unfold(value) if kind in (3, 4) else 0)
                if kind == 7:
                    allocated = payload.number()
                live = unfold(value) if kind == 5 else payload.signed() if kind in (4, 7) else 0
                met(site, allocated, live)
        for site in list(expected):
            met(site, 0, 0)
        assert waiting == 0
        self.expected = after

    def frames_of(self, traceback):
        """The frames as (file, line, function), the most recent first."""
        frames = []
        while traceback:
            traceback, frame, _total = self.tracebacks[traceback]
            function, line = self.frames[frame]
            filename, name, _line = self.functions[function]
            frames.append((self.strings[filename], line, self.strings[name]))
        return tuple(frames)


def read(data):
    """(header, ticks): each tick with its head and {(size, domain, frames): (allocated, live)}."""
    assert data[:8] == b"\x89CTR\r\n\x1a\n"
    word = lambda at, size=4: int.from_bytes(data[at : at + size], "little")  # noqa: E731
    assert word(8) == 0x01020304 and word(12, 2) == 1 and word(60) == crc32c(data[:60]) and word(20) == 0
    header = {"started": word(24, 8), "interval": word(32, 8), "pid": word(40, 8), "command": "", "end": None}
    header.update(lack=word(48), losses=[], exit_status=None, end_text="")
    at, stores, ticks = word(16), {}, []
    while len(data) - at >= 12 and len(data) - at - 12 >= word(at):
        length, kind = word(at), word(at + 4)
        content = data[at + 12 : at + 12 + length]
        if word(at + 8) != crc32c(data[at : at + 8] + content):
            break
        payload = Payload(content)
        if kind == 1:
            header["command"] = content.decode("utf-8", "surrogatepass")
        elif kind == 2:
            stores, header["losses"] = {}, []
        elif kind == 3:
            stores.setdefault(payload.number(), Store()).read_rows(payload)
        elif kind == 4:
            ticks.append(read_tick(payload, stores))
        elif kind == 5:
            _time, header["end"] = payload.numbers(2)
            if payload.at < len(content):
                status = payload.number()
                header["exit_status"] = unfold(status - 1) if status else None
                header["end_text"] = payload.text()
        elif kind == 6:
            header["losses"] = [(payload.number(), payload.text(), payload.text()) for _ in range(payload.number())]
        elif kind >> 31:
            break
        at += 12 + length
    return header, ticks


def read_tick(payload, stores):
    head = dict(zip(("time", "bytes", "blocks", "peak", "resident"), payload.numbers(5)))
    listed = payload.number()
    unlisted = dict(stores)
    while listed:
        unlisted.pop(listed - 1).read_list(payload)
        listed = payload.number()
    for store in unlisted.values():
        store.read_list(None)
    sums = {}
    for store in stores.values():
        for site, allocated, live in zip(store.sites[1:], store.allocated[1:], store.live[1:]):
            size, domain, traceback, _labels = site
            assert 0 <= live <= allocated
            key = (size, domain, store.frames_of(traceback))
            before = sums.get(key, (0, 0))
            sums[key] = (before[0] + allocated, before[1] + live)
    assert head["bytes"] == sum(key[0] * live for key, (_, live) in sums.items())
    assert head["blocks"] == sum(live for _, live in sums.values())
    return head, sums


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        for head, sums in read(file.read())[1]:
            print(head, len(sums), "sites")
