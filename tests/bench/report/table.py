"""A table of rows {name, value, unit, target, passed} as text."""


def print_table(rows: list[dict]) -> None:
    """Print the rows; `passed` is None where there is no target."""
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        verdict = {True: "ok", False: "MISSED", None: ""}[row["passed"]]
        print(f"{row['name']:<{width}}  {row['value']:>12.4g} {row['unit']:<10} {row['target'] or '':<12} {verdict}")
