"""Instances with __slots__, with managed dicts, with weak references, with descriptors; classes made at run time."""

import weakref

MOMENTS = ["instances", "grown", "classes"]


class Slots:
    __slots__ = ("left", "right", "__weakref__")

    def __init__(self, left, right):
        self.left = left
        self.right = right


class Plain:
    def __init__(self, n):
        self.n = n
        self.name = "name %d" % n
        self.items = []


class Child(Plain):
    __slots__ = ("extra",)

    def __init__(self, n):
        super().__init__(n)
        self.extra = (n, n + 1000)


class Text(str):
    pass


class Number(int):
    def __new__(cls, value):
        return super().__new__(cls, value * 10**12)


class Rows(list):
    def __getitem__(self, index):
        return [super(Rows, self).__getitem__(index)]


def main(moment):
    slots = [Slots(n, float(n)) for n in range(300)]
    plain = [Plain(n) for n in range(300)]
    children = [Child(n) for n in range(200)]
    others = [Text("text %d" % n) for n in range(50)] + [Number(n) for n in range(50)]
    references = [weakref.ref(item) for item in slots[:100] + plain[:100]]
    moment("instances")
    for n, item in enumerate(plain):
        setattr(item, "attribute_%d" % (n % 40), n)
    dicts = [vars(item) for item in plain[:50]]
    del children[::2]
    rows = Rows(range(100))
    pieces = [rows[n] for n in range(100)]
    moment("grown")
    made = [type("Made%d" % n, (Plain,), {"value": n, "method": lambda self: self.n}) for n in range(20)]
    instances = [cls(n) for n, cls in enumerate(made)]
    bound = [item.method for item in instances]
    moment("classes")
    return others, references, dicts, pieces, bound
