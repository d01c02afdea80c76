"""A template engine: pages of a shop rendered from one compiled Jinja template."""

import jinja2
import pyperf

SOURCE = """
<html><head><title>{{ title|e }}</title></head><body>
{% macro price(item) %}<b>{{ "%.2f"|format(item.price) }}</b>{% endmacro %}
{% for group in groups %}<h2>{{ loop.index }}. {{ group.name|upper }}</h2>
<ul>{% for item in group["goods"] if item.stock %}<li class="{{ loop.cycle('odd', 'even') }}">
{{ item.name|e }} {{ price(item) }} ({{ item.stock }} left){% if item.tags %}: {{ item.tags|join(", ") }}{% endif %}</li>
{% endfor %}</ul>{% endfor %}</body></html>
"""


def make_groups():
    def item(n):
        return {"name": f"thing <{n}>", "price": n * 1.17, "stock": n % 7, "tags": [f"t{n % 5}", f"u{n % 3}"][: n % 3]}

    return [{"name": f"group {g}", "goods": [item(g * 40 + n) for n in range(40)]} for g in range(25)]


def render(template, groups):
    return len(template.render(title="Shop & more", groups=groups))


if __name__ == "__main__":
    runner = pyperf.Runner()
    runner.bench_func("template_engine", render, jinja2.Environment().from_string(SOURCE), make_groups())
