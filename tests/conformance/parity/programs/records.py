"""dataclasses, named tuples, enumerations: classes whose code is generated."""

import collections
import dataclasses
import enum

MOMENTS = ["made", "changed"]


@dataclasses.dataclass(order=True)
class Point:
    x: int
    y: float = 0.5
    tags: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    name: str
    values: tuple = ()


Pair = collections.namedtuple("Pair", "left right")


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


def main(moment):
    points = [Point(n, n / 2, [f"tag {n}"]) for n in range(250)]
    frozen = [Frozen(f"name {n}", (n, str(n))) for n in range(250)]
    pairs = [Pair(n, [n]) for n in range(250)]
    moment("made")
    moved = [dataclasses.replace(point, x=point.x + 1000) for point in points[:100]]
    as_dicts = [dataclasses.asdict(point) for point in points[:60]]
    replaced = [pair._replace(left="left %d" % pair.left) for pair in pairs[:80]]
    by_colour = {colour: [Frozen(colour.value)] * 3 for colour in Colour}
    created = dataclasses.make_dataclass("Created", [("a", int), ("b", str)])
    instances = [created(n, str(n)) for n in range(50)]
    queue = collections.deque(maxlen=100)
    counter = collections.Counter()
    ordered = collections.OrderedDict()
    for n in range(300):
        queue.append([n])
        counter["word %d" % (n % 40)] += 1
        ordered["key %d" % n] = n
    points.sort(reverse=True)
    moment("changed")
    return moved, as_dicts, replaced, by_colour, instances, frozen
