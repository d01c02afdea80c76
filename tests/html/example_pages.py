"""Pages that the tests of the browser side look at, with figures that a reader can add up."""

import random

from page_writer import CHURN, LIVE, PEAK, Tree, dataset, page

KIB = 1024
MAIN = ("/srv/shop/main.py", "main", 10)
CART = ("/srv/shop/cart.py", "fill_cart", 21)
LOADS = ("/usr/lib/python3.13/json/__init__.py", "loads", 346)
DECODE = ("/usr/lib/python3.13/json/decoder.py", "decode", 337)
ARRAY = ("/srv/venv/lib/python3.13/site-packages/numpy/core.py", "array", 5)
HOOK = ("/srv/shop/cart.py", "hook", 40)
TRICKY = "</script><script>document.title='broken'</script>"


def figures(size, count=1, peak=None, allocated=None):
    """Own figures of one state, in all measures."""
    peak, allocated = (size if peak is None else peak), (size if allocated is None else allocated)
    return {
        "size": size,
        "count": count,
        "peak_size": peak,
        "peak_count": count if peak else 0,
        "allocated_size": allocated,
        "allocated_count": 2 * count,
    }


def describe_shop(tree):
    tree.describe("/srv/shop/main.py", "main", "shop", "own")
    tree.describe("/srv/shop/cart.py", "cart", "shop", "own")
    tree.describe("/usr/lib/python3.13/json/__init__.py", "json", "json", "stdlib")
    tree.describe("/usr/lib/python3.13/json/decoder.py", "json.decoder", "json", "stdlib")
    tree.describe("/srv/venv/lib/python3.13/site-packages/numpy/core.py", "numpy.core", "numpy", "installed")
    return tree


def shop_tree(names=LIVE + PEAK + CHURN):
    tree = describe_shop(Tree(names))

    def own(*given):
        return {name: value for name, value in figures(*given).items() if name in names}

    tree.add((MAIN,), own(1 * KIB))
    tree.add((MAIN, CART), own(10 * KIB, 10))
    tree.add((MAIN, CART, LOADS, DECODE), own(40 * KIB, 4, 100 * KIB, 200 * KIB))
    tree.add((MAIN, CART, LOADS, DECODE, HOOK), own(20 * KIB, 2))
    tree.add((MAIN, CART, LOADS, DECODE, HOOK, LOADS, DECODE), own(8 * KIB))
    tree.add((MAIN, ARRAY), own(800 * KIB, 3))
    tree.add_smaller((MAIN,), 1234, own(2 * KIB, 7))
    return tree


SHOP_TEXT = "\n".join(f"line_{i} = {i}" for i in range(1, 61)) + "\n"


def shop(**facts):
    tree = shop_tree()
    cart = list(tree.files).index("/srv/shop/cart.py")
    main = list(tree.files).index("/srv/shop/main.py")
    given = {
        "facts": [["live", "881 KiB in 28 blocks"], ["command", "python -m shop"]],
        "sources": [
            {"file": cart, "text": SHOP_TEXT, "note": "changed since the program ran"},
            {"file": main, "text": SHOP_TEXT, "note": ""},
        ],
        **facts,
    }
    return dataset(tree, **given)


def difference():
    tree = describe_shop(Tree(LIVE))
    for traceback, before, after in (
        ((MAIN, CART), 30, 60),
        ((MAIN, CART, LOADS), 50, 10),
        ((MAIN, CART, HOOK), 0, 40),
        ((MAIN, ARRAY), 25, 25),
        ((MAIN, DECODE), 70, 0),
    ):
        tree.add(traceback, *({"size": kib * KIB, "count": kib} for kib in (before, after)))
    source = {"file": list(tree.files).index("/srv/shop/cart.py"), "text": SHOP_TEXT, "note": ""}
    return dataset(tree, ("base: old.ctm", "newer: new.ctm"), is_diff=True, sources=[source])


def recording(moments=12):
    tree = describe_shop(Tree(LIVE))
    at = [100 * moment for moment in range(moments)]
    tree.add((MAIN, CART), *({"size": 5 * KIB * m, "count": m} for m in range(moments)))
    tree.add((MAIN, ARRAY), *({"size": (90 if m % 4 == 2 else 10) * KIB, "count": 1} for m in range(moments)))
    tree.add((MAIN, CART, LOADS), *({"size": 40 * KIB * (m > 5), "count": int(m > 5)} for m in range(moments)))
    size = [tree.totals(m)["size"] for m in range(moments)]
    peak = [max(size[: i + 1]) for i in range(moments)]
    ticks = {"time": at, "size": size, "peak": peak, "resident": [value * 2 + 300 * KIB for value in size]}
    labels = [f"{time / 1000} s" for time in at]
    timeline = {"ended": "exit status 0", "events": [[0.45, "clear"]]}
    return dataset(tree, labels, [time / 1000 for time in at], ticks, timeline=timeline)


def processes():
    rows = [
        {"dataset": 0, "pid": 10, "name": "all", "command": "python job.py", "end": "", "size": 1, "peak": 2, "depth": 0},
        {
            "dataset": 1,
            "pid": 11,
            "name": "worker",
            "command": "python w.py",
            "end": "exit 0",
            "size": 5,
            "peak": 9,
            "depth": 1,
        },
        {
            "dataset": None,
            "pid": 12,
            "name": "gone",
            "command": "true",
            "end": "killed",
            "size": None,
            "peak": None,
            "depth": 1,
        },
    ]
    small = describe_shop(Tree(LIVE))
    small.add((MAIN, HOOK), {"size": 3 * KIB, "count": 3})
    names = [("all processes", "python job.py", None), ("worker", "python w.py", 0)]
    sections = ("flame", "table", "processes")
    return page([shop(processes=rows), dataset(small, processes=rows)], "processes", sections, names)


def tricky():
    tree = Tree(LIVE)
    file = "/srv/\u202egnp.py\x1b[2J"
    tree.describe(file, TRICKY, TRICKY, "own")
    tree.add(((file, TRICKY, 1), (file, "half \ud83d of a pair", 2)), {"size": 64 * KIB, "count": 1})
    source = {"file": list(tree.files).index(file), "text": f"a\n{TRICKY}\n", "note": ""}
    return dataset(tree, (TRICKY,), facts=[[TRICKY, TRICKY]], losses=[TRICKY], sources=[source])


def large(nodes, seed=1):
    """A tree of so many nodes, as programs have them: few children near the root, long chains, sizes of all scales."""
    numbers = random.Random(seed)
    tree = Tree(LIVE)
    for i in range(400):
        origin = ("own", "installed", "stdlib")[i % 3]
        tree.describe(f"/srv/app/mod_{i}.py", f"mod_{i}", f"pkg_{i % 40}", origin)
    frames = [tree.frame(f"/srv/app/mod_{i % 400}.py", f"function_{i % 7000}", i // 7000 + 1, 1) for i in range(20000)]
    path = [0]
    while len(tree.own) < nodes:
        del path[max(1, int(len(path) * numbers.random() ** 0.3)) :]
        for _ in range(numbers.randint(1, 20)):
            if len(path) < 40:
                path.append(tree.node(path[-1], numbers.choice(frames) if len(path) > 6 else frames[numbers.randint(0, 9)]))
        size = int(numbers.paretovariate(0.9) * 64) % 2**40
        tree.add_figures(path[-1], [{"size": size, "count": 1 + size // 4096}])
    return dataset(tree)
