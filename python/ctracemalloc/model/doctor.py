"""The doctor's facts: which of them hold."""

from collections.abc import Mapping


def lost_facts(facts: Mapping[str, object]) -> list[str]:
    """Names of the facts that do not hold. A fact without the item "ok" is a text about the interpreter."""
    return [name for name, value in facts.items() if isinstance(value, Mapping) and not value.get("ok")]
