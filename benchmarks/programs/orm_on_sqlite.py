"""An object-relational mapper on SQLite in memory: rows made, joined, changed and read back."""

import peewee
import pyperf

database = peewee.SqliteDatabase(":memory:")


class Person(peewee.Model):
    name = peewee.CharField()
    born = peewee.IntegerField(index=True)

    class Meta:
        database = database


class Letter(peewee.Model):
    sender = peewee.ForeignKeyField(Person, backref="letters")
    text = peewee.TextField()

    class Meta:
        database = database


def work(count):
    with database.atomic():
        people = [Person.create(name=f"person {n}", born=1900 + n % 100) for n in range(count)]
        for n, person in enumerate(people):
            for k in range(3):
                Letter.create(sender=person, text=f"letter {k} of {n}: " + "x" * (n % 50))
    found = list(Letter.select(Letter, Person).join(Person).where(Person.born > 1950))
    lengths = [len(letter.text) + len(letter.sender.name) for letter in found]
    Person.update(name=Person.name.concat("!")).where(Person.born % 2 == 0).execute()
    Letter.delete().execute()
    Person.delete().execute()
    return sum(lengths)


if __name__ == "__main__":
    database.create_tables([Person, Letter])
    runner = pyperf.Runner()
    runner.bench_func("orm_on_sqlite", work, 60)
