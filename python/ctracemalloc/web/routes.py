"""The paths, and what answers each.

Model: an Application has the state of one mounted application or server. Its paths are the same wherever it is mounted; a part
of a path may be the mount itself, so that it can be mounted at /debug or at /metrics, too. Links are relative for that reason.
"""

import os
import time
from collections.abc import Callable, Sequence

from .. import Snapshot
from .._program import command, run_facts
from .._words import counted
from ..render.text.units import format_amount, format_bytes, format_change
from . import page, plain, profiles
from .exposition import exposition
from .messages import Answer, Query, Refused, Request, Response
from .metrics import metrics_now
from .settings import MOST_ROWS, Settings
from .snapshots import LAST, NOW, SINCE, START, Bases, TimedSnapshot, making, named_base, peak_of, turn

ROWS = 100  # of the plain page
PATIENCE = 1.0  # seconds: a scrape that fails is a gap in every graph
NAMES = {NOW: "", LAST: "the last request", START: "the start"}
HTML = "text/html; charset=utf-8"
BINARY = "application/octet-stream"
INDEX = (
    ("debug/memory", "what is live now: flame graph and table"),
    ("debug/memory?since=last", "what has changed since the last request"),
    ("debug/memory?since=start", "what has changed since the start"),
    ("debug/memory?plain=1", "what is live now, without a script: the largest lines"),
    ("debug/memory.ctm", "what is live now, as a snapshot file: for `ctracemalloc report`, `diff`, `html`"),
    ("debug/pprof/", "profiles for pprof, Parca and Pyroscope"),
    ("metrics", "metrics for Prometheus"),
)


class Application:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.bases = Bases()
        self.profiles = profiles.Profiles(self.bases, settings.max_seconds)
        self.routes: dict[str, Callable[[Request, Query], Answer]] = {
            "/": self.index,
            "/debug/": self.index,
            "/debug/memory": self.memory,
            "/debug/memory.ctm": self.file,
            "/metrics": self.metrics,
            "/debug/pprof": self.pprof_index,
            "/debug/pprof/": self.pprof_index,
        }
        for name, answer in self.profiles.answers.items():
            self.routes[f"/debug/pprof/{name}"] = answer

    def answer(self, request: Request) -> Answer:
        route = self.route_of(request.mount, request.path)
        if route is None:
            raise Refused(404, "no such page: see /debug/memory, /debug/pprof/ and /metrics")
        return self.routes[route](request, Query(request.query))

    def route_of(self, mount: str, path: str) -> str | None:
        if path in self.routes:
            return path
        for route in self.routes:  # one whose first part is the end of the mount
            head = route.removesuffix(path)
            if len(head) > 1 and head + path == route and mount.endswith(head):
                return route
        return None

    def index(self, request: Request, query: Query) -> Response:
        up = "../" * request.path.count("/", 1)
        return links("ctracemalloc", [(f"{up}{path}", text) for path, text in INDEX])

    def pprof_index(self, request: Request, query: Query) -> Response:
        base = "" if request.path.endswith("/") else "pprof/"
        return links("/debug/pprof/", [(f"{base}{path}", text) for path, text in profiles.INDEX])

    def metrics(self, request: Request, query: Query) -> Response:
        with turn(PATIENCE):
            metrics = metrics_now(self.settings.top)
        return exposition(metrics, request.headers.get("accept", ""))

    def file(self, request: Request, query: Query) -> Response:
        """The snapshot as the file that all commands read."""
        with making():
            with turn(PATIENCE):
                taken = self.bases.take()
            taken.snapshot.run = run_facts()
            return Response(200, file_of(taken.snapshot), BINARY)

    def memory(self, request: Request, query: Query) -> Response:
        since, top = query.choice("since", SINCE), query.number("top", ROWS, MOST_ROWS)
        is_plain = query.number("plain", 0, 1)
        with making():
            with turn(PATIENCE):
                taken = self.bases.take()
                base = self.bases.base(since, taken)
            if not is_plain:
                made = page.page_of(taken, base, NAMES[since])
                return Response(200, made.body, HTML, policy=made.policy)
            snapshots = [taken.snapshot] if base is None else [base.snapshot, taken.snapshot]
            body = plain.table_page(snapshots, [*facts_of(taken), *since_facts(since, base, taken)], top)
        return Response(200, body, HTML, policy=plain.POLICY)


def file_of(snapshot: Snapshot) -> bytes:
    """Made in memory."""
    with open(os.memfd_create("ctracemalloc", os.MFD_CLOEXEC), "rb") as file:
        snapshot.dump(os.dup(file.fileno()))  # which dump() closes
        file.seek(0)
        return file.read()


def facts_of(taken: TimedSnapshot) -> list[tuple[str, str]]:
    return [
        ("program", " ".join(command())),
        ("live", format_amount(taken.sums)),
        ("peak", format_bytes(peak_of(taken))),
        ("snapshot", f"taken in {taken.seconds * 1000:.1f} ms at {time.strftime('%H:%M:%S', time.localtime(taken.time))}"),
    ]


def since_facts(since: str, base: TimedSnapshot | None, taken: TimedSnapshot) -> list[tuple[str, str]]:
    if since == NOW:
        return []
    if base is None:
        return [("since", "this is the first request, or the program has emptied its tables: there is no difference yet")]
    size, blocks = taken.sums.size - base.sums.size, taken.sums.blocks - base.sums.blocks
    change = f"{format_change(size)} in {counted(blocks, 'block', sign=True)}"
    return [("since", named_base(NAMES[since], base, taken)), ("change", change)]


def links(title: str, found: Sequence[tuple[str, str]]) -> Response:
    return Response(200, plain.links_page(title, found), HTML, policy=plain.POLICY)
