"""Growth in place: lists, bytearrays, dicts, sets and strings that are resized many times."""

MOMENTS = ["grown", "shrunk"]


def main(moment):
    items = []
    for n in range(5000):
        items.append(n)
    buffer = bytearray()
    for n in range(2000):
        buffer += b"%d," % n
    table = {}
    for n in range(3000):
        table[n] = n
    members = set()
    for n in range(3000):
        members.add(n * 7)
    text = ""
    for n in range(500):
        text += "part %d " % n
    lists = [[] for _ in range(100)]
    for n in range(40):
        for one in lists:
            one.extend(range(n))
    moment("grown")
    del items[100:]
    del buffer[50:]
    for one in lists:
        one.clear()
    lists[3].extend(range(1000))
    for n in range(2900):
        del table[n]
    copy = dict(table)
    members.clear()
    items.sort(key=lambda n: -n)
    moment("shrunk")
    return copy, text
