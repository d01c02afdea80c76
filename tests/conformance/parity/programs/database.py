"""sqlite3: rows, blobs, functions and aggregates of Python called from C."""

import sqlite3

MOMENTS = ["filled", "read"]


class Longest:
    def __init__(self):
        self.value = ""

    def step(self, value):
        if len(value) > len(self.value):
            self.value = value + "!"

    def finalize(self):
        return self.value


def shout(text):
    return text.upper() + "?"


def main(moment):
    connection = sqlite3.connect(":memory:")
    connection.create_function("shout", 1, shout)
    connection.create_aggregate("longest", 1, Longest)
    connection.execute("create table t (id integer primary key, name text, data blob, x real)")
    rows = [(n, f"name {n}", bytes(n), n * 0.5) for n in range(400)]
    connection.executemany("insert into t values (?, ?, ?, ?)", rows)
    moment("filled")
    read = connection.execute("select * from t").fetchall()
    shouted = [row[0] for row in connection.execute("select shout(name) from t where id % 3 = 0")]
    grouped = list(connection.execute("select id % 5, longest(name) from t group by id % 5"))
    connection.row_factory = sqlite3.Row
    cursor = connection.cursor()
    objects = [row for row in cursor.execute("select name, x from t limit 100")]
    moment("read")
    return read, shouted, grouped, objects
