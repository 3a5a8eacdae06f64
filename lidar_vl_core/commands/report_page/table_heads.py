"""Headings of the report's tables, over numbers and over bars."""

NO_BAR = '<td class="wide"></td>'


def table_head(rows: str, *columns: str) -> str:
    """One row: what the rows are, then what stands over numbers; an empty text stands over bars, which a narrow window hides."""
    cells = "".join(f'<th class="{"number" if name else "wide"}">{name}</th>' for name in columns)
    return f"<tr><th>{rows}</th>{cells}</tr>"
