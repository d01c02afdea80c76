"""A small service that takes orders and prints invoices, and whose memory grows: it keeps each invoice that it has printed.

The pictures of the documentation are made of it (`make docs-pictures`), before and after the mistake was mended.

usage: orders.py [--fixed] [--rounds N] [--pause SECONDS]
"""

import argparse
import json
import random
import time
from decimal import Decimal
from functools import lru_cache
from string import Template

ARTICLES = ("paper", "pencil", "ink", "ruler", "eraser", "folder", "stapler", "glue")
LINE = Template("$article  $number x $price = $total\n")
INVOICE = Template("Invoice $number\n\n$lines\nTotal $total\n")


class Catalogue:
    """The prices of all articles, read once."""

    def __init__(self, number):
        self.prices = {}
        for index in range(number):
            self.prices[f"{ARTICLES[index % len(ARTICLES)]}-{index}"] = Decimal(100 + index % 900) / 100

    def price(self, article):
        return self.prices[article]


class Archive:
    """Remembers invoices by number; of the mended one only the last hundred."""

    def __init__(self, most=None):
        self.most = most
        self.invoices = {}

    def keep(self, number, text):
        self.invoices[number] = text
        while self.most is not None and len(self.invoices) > self.most:
            del self.invoices[next(iter(self.invoices))]


class Service:
    def __init__(self, archive):
        self.catalogue = Catalogue(4000)
        self.archive = archive
        self.served = 0

    def serve(self, requests):
        for request in requests:
            self.answer(json.loads(request))

    def answer(self, order):
        lines = [self.line(article, number) for article, number in order["articles"]]
        total = sum(price for _text, price in lines)
        self.served += 1
        text = INVOICE.substitute(number=self.served, lines="".join(text for text, _price in lines), total=total)
        self.archive.keep(self.served, text)

    def line(self, article, number):
        price = self.catalogue.price(article)
        return LINE.substitute(article=name_of(article), number=number, price=price, total=price * number), price * number


@lru_cache(maxsize=500)
def name_of(article):
    kind, index = article.split("-")
    return f"{kind.capitalize()} No. {index}"


def make_requests(chance, number):
    """What customers send."""
    articles = [f"{ARTICLES[index % len(ARTICLES)]}-{index}" for index in range(4000)]
    return [
        json.dumps({"articles": [[chance.choice(articles), chance.randrange(1, 9)] for _ in range(chance.randrange(1, 9))]})
        for _ in range(number)
    ]


def main():
    parser = argparse.ArgumentParser(description="A small service whose memory grows.")
    parser.add_argument("--fixed", action="store_true", help="keep the last hundred invoices only")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between two rounds")
    options = parser.parse_args()
    chance = random.Random(1)
    service = Service(Archive(100 if options.fixed else None))
    for _ in range(options.rounds):
        service.serve(make_requests(chance, 500))
        time.sleep(options.pause)
    return service


if __name__ == "__main__":
    service = main()  # alive until the program ends
