"""Interleaving and statistics: pure functions over numbers."""
import math
import statistics


def rotated(items, by):
    """The items in order, starting with another one each time, so that none always comes first."""
    items = list(items)
    by %= len(items)
    return items[by:] + items[:by]


def interleaved(variants, rounds, sample):
    """measure -> variant -> values, a value for each round. One round runs `sample(variant)` once for each variant."""
    seen = {}
    for number in range(rounds):
        for variant in rotated(variants, number):
            for measure, value in sample(variant).items():
                seen.setdefault(measure, {}).setdefault(variant, []).append(value)
    return seen


def summary(values):
    """Median, and spread: half the distance between the quartiles; None if there is one value only."""
    if len(values) < 2:
        return {"median": values[0], "spread": None, "samples": values}
    quartiles = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": statistics.median(values), "spread": (quartiles[2] - quartiles[0]) / 2, "samples": values}


def ratio(value, native):
    return value / native if native else math.inf


def difference(value, native):
    return value - native


def compared(values, natives, how):
    """Summary of what `how` makes of each round's pair: what slows down a whole round does not count."""
    return summary([how(value, native) for value, native in zip(values, natives)])


def met(figure, bound, least):
    return figure >= bound if least else figure <= bound


def evaluate(row, values):
    """The result of a row: summaries of all variants, and of how each compares with native."""
    natives = values["native"]
    figures = {variant: compared(v, natives, row.how) for variant, v in values.items() if variant != "native"}
    figure = figures[row.variant]
    return {
        "name": row.name, "title": row.title, "unit": row.unit, "kind": row.how.__name__, "variant": row.variant,
        "bound": row.bound, "least": row.least,
        "met": None if row.bound is None else met(figure["median"], row.bound, row.least),
        "figure": figure, "figures": figures, "variants": {variant: summary(v) for variant, v in values.items()},
    }
