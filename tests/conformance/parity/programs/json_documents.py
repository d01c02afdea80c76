"""json: documents decoded and encoded, by the C accelerator and by the Python code."""

import json

MOMENTS = ["decoded", "encoded"]


def document(n):
    return {"id": n, "name": f"name {n}", "tags": [f"tag {k}" for k in range(n % 7)], "score": n / 3, "next": None}


def hook(pairs):
    return dict(pairs, extra=[len(pairs)])


def main(moment):
    source = json.dumps([document(n) for n in range(200)], indent=1)
    plain = json.loads(source)
    hooked = json.loads(source, object_pairs_hook=hook)
    moment("decoded")
    texts = [json.dumps(item) for item in plain]
    pieces = list(json.JSONEncoder(indent=2, sort_keys=True).iterencode(hooked[:50]))
    lines = "".join(pieces).splitlines()
    del plain[::2]
    moment("encoded")
    return texts, lines
