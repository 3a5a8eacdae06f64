"""How the folder of a data set must look, for messages and for `check-data`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """Paths below a data set's folder, and what each is. NN, XXXX and * stand for numbers and names."""

    entries: tuple[tuple[str, str], ...]

    def line(self) -> str:
        """The expected files in one line, for an error."""
        return ", ".join(path for path, _ in self.entries)

    def tree(self) -> str:
        """The expected files as a drawn tree, several lines."""
        lines: list[str] = []
        drawn: set[tuple[str, ...]] = set()
        entries = [(tuple(path.split("/")), what) for path, what in self.entries]
        width = max(2 * len(parts) + len(parts[-1]) for parts, _ in entries) + 2
        for parts, what in entries:
            for depth in range(1, len(parts)):
                if parts[:depth] not in drawn:
                    drawn.add(parts[:depth])
                    lines.append(f"{'  ' * depth}{parts[depth - 1]}/")
            lines.append(f"{'  ' * len(parts) + parts[-1]:<{width}}  {what}")
        return "\n".join(lines)
