#!/usr/bin/env python3
"""Measures the size of the recording of a web service. A small shop (Flask, SQLAlchemy on SQLite, Jinja) with threads
serves clients on loopback and is recorded. Prints the bytes of a tick and of an hour of such ticks.

usage: recording.py [--seconds 60] [--interval 1.0] [--nframe 1] [--clients 4]

Needs flask, sqlalchemy and waitress, and ctracemalloc.
"""

import argparse
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

PAGE = """<!doctype html><title>{{ title }}</title><h1>{{ title }}</h1>
{% for item in items %}<li class="{{ loop.cycle('odd', 'even') }}">{{ item.name|title }}: {{ '%.2f'|format(item.price) }}
({{ item.category.name }}{% if item.stock < 3 %}, few left{% endif %}){% else %}<p>nothing{% endfor %}
<p>{{ note|truncate(40) }} {{ session.get('visits', 0) }}"""
CATEGORIES, ITEMS = 20, 2000


def make_app(folder):
    import flask
    import sqlalchemy as sql
    from sqlalchemy import orm

    class Base(orm.DeclarativeBase):
        pass

    class Category(Base):
        __tablename__ = "category"
        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        name: orm.Mapped[str]

    class Item(Base):
        __tablename__ = "item"
        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        name: orm.Mapped[str] = orm.mapped_column(index=True)
        price: orm.Mapped[float]
        stock: orm.Mapped[int]
        category_id: orm.Mapped[int] = orm.mapped_column(sql.ForeignKey("category.id"))
        category: orm.Mapped[Category] = orm.relationship()

    class Order(Base):
        __tablename__ = "orders"
        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        item_id: orm.Mapped[int] = orm.mapped_column(sql.ForeignKey("item.id"))
        item: orm.Mapped[Item] = orm.relationship()
        customer: orm.Mapped[str]
        number: orm.Mapped[int]

    engine = sql.create_engine(f"sqlite:///{folder}/shop.db")
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add_all(Category(id=n, name=f"category {n}") for n in range(1, CATEGORIES + 1))
        chance = random.Random(1)
        session.add_all(
            Item(name=f"item {n}", price=chance.random() * 100, stock=n % 9, category_id=1 + n % CATEGORIES)
            for n in range(ITEMS)
        )
        session.commit()

    app = flask.Flask(__name__)
    app.secret_key = "not a secret"
    recent = {}  # grows: each new customer stays

    @app.get("/")
    def page():
        flask.session["visits"] = flask.session.get("visits", 0) + 1
        number = flask.request.args.get("category", 1, type=int)
        with orm.Session(engine) as session:
            query = sql.select(Item).where(Item.category_id == number).options(orm.joinedload(Item.category))
            items = session.scalars(query.order_by(Item.price).limit(25)).all()
            title = session.get(Category, number).name
            return flask.render_template_string(PAGE, title=title, items=items, note="x" * (number * 7))

    @app.get("/search")
    def search():
        with orm.Session(engine) as session:
            query = sql.select(Item.name, Item.price).where(Item.name.contains(flask.request.args["q"]))
            return flask.jsonify([{"name": name, "price": price} for name, price in session.execute(query.limit(50))])

    @app.post("/order")
    def order():
        wanted = flask.request.get_json()
        with orm.Session(engine) as session:
            item = session.get(Item, wanted["item"])
            if item is None:
                flask.abort(404)
            item.stock = max(0, item.stock - 1)
            session.add(Order(item=item, customer=wanted["customer"], number=wanted["number"]))
            session.commit()
            recent.setdefault(wanted["customer"], []).append(wanted)
            return flask.jsonify(left=item.stock, customer=wanted["customer"])

    @app.get("/report")
    def report():
        with orm.Session(engine) as session:
            query = (
                sql.select(Category.name, sql.func.count(), sql.func.sum(Item.price))
                .join(Item.category)
                .group_by(Category.name)
            )
            return {name: [count, total] for name, count, total in session.execute(query)}

    return app


def serve(options):
    import logging

    import ctracemalloc
    import waitress

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        ctracemalloc.start(options.nframe)
        recorder = ctracemalloc.record(options.record, options.interval)
        server = waitress.create_server(make_app(folder), host="127.0.0.1", port=0, threads=4)
        print(server.effective_port, flush=True)
        threading.Thread(target=server.run, daemon=True).start()
        sys.stdin.read()
        recorder.stop()
        os._exit(0)


def ask(port, seed, until, counts):
    chance = random.Random(seed)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    cookie = ""
    while time.monotonic() < until:
        kind = chance.random()
        if kind < 0.5:
            connection.request("GET", f"/?category={chance.randint(1, CATEGORIES)}", headers={"Cookie": cookie})
        elif kind < 0.75:
            connection.request("GET", f"/search?q={chance.randint(1, 99)}")
        elif kind < 0.95:
            wanted = {
                "item": chance.randint(1, ITEMS + 20),
                "customer": f"c{chance.randint(1, 10**6)}",
                "number": chance.randint(1, 5),
            }
            connection.request("POST", "/order", json.dumps(wanted), {"Content-Type": "application/json"})
        else:
            connection.request("GET", "/report")
        response = connection.getresponse()
        response.read()
        cookie = response.getheader("Set-Cookie", cookie)
        counts[seed] += 1


def measure(options):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "service.ctr")
        command = [sys.executable, __file__, "--record", path, "--nframe", str(options.nframe)]
        command += ["--interval", str(options.interval)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            port = int(server.stdout.readline())
            until = time.monotonic() + options.seconds
            counts = [0] * options.clients
            clients = [threading.Thread(target=ask, args=(port, n, until, counts)) for n in range(options.clients)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            server.stdin.close()
        report(path, options, sum(counts))
        if options.keep:
            shutil.copy(path, options.keep)


def report(path, options, requests):
    import ctracemalloc

    begin = time.perf_counter()
    recording = ctracemalloc.open_recording(path)
    opened = time.perf_counter() - begin
    size = os.path.getsize(path)
    ends = list(tick_ends(path))
    if len(ends) < 4:
        sys.exit(f"{len(ends)} ticks are too few to tell anything")
    steady = ends[len(ends) // 2 :]
    tick = (steady[-1] - steady[0]) / (len(steady) - 1)
    begin = time.perf_counter()
    snapshot = recording.snapshot()
    taken = time.perf_counter() - begin
    print(f"{requests} requests in {options.seconds} s, {len(recording)} ticks, nframe={options.nframe}")
    print(f"{size:,} bytes; in the first half {ends[len(ends) // 2]:,}, then {tick:,.0f} a tick")
    hour = ends[len(ends) // 2] + tick * max(0, 3600 / options.interval - len(ends) // 2)
    print(f"an hour: {hour / 1e6:.1f} MB; opened in {opened * 1000:.1f} ms, last snapshot {taken * 1000:.1f} ms")
    print(f"{len(snapshot.traces):,} blocks, {recording.totals()[-1].size:,} bytes, {recording.truncated=}")


def tick_ends(path):
    """The file offset of the end of each tick."""
    with open(path, "rb") as file:
        data = file.read()
    at = 64
    while at + 12 <= len(data):
        length, kind = (int.from_bytes(data[at + i : at + i + 4], "little") for i in (0, 4))
        at += 12 + length
        if kind == 4:
            yield at


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--interval", type=float, default=1.0)
    parser.add_argument("--nframe", type=int, default=1)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--keep", metavar="FILE", help="the recording is put there")
    parser.add_argument("--record", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.record:
        serve(options)
    else:
        measure(options)


if __name__ == "__main__":
    main()
