"""The screen: the story as a reader sees it, in plain sentences and tables."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table

from reserve.client import ProblemAnswer

_WIDTH = 110  # of lines where nobody looks at a terminal


class Screen:
    """`plain`: no colours, and nothing that moves."""

    def __init__(self, *, plain: bool) -> None:
        self._console = Console(highlight=False, no_color=plain or None, force_terminal=False if plain else None)
        if not self._console.is_terminal:
            self._console.width = _WIDTH
        self._act = 0

    def banner(self, text: str) -> None:
        self._console.print(Panel(text, border_style="yellow"))

    def act(self, title: str, on: date | None = None) -> None:
        self._act += 1
        day = "" if on is None else f"  [dim]{written_day(on)}[/]"
        self._console.print(f"\n[bold cyan]{self._act}. {title}[/]{day}")

    def say(self, text: str) -> None:
        """`text` may hold rich's markup."""
        self._console.print(Padding(text, (0, 0, 0, 3), expand=False))

    def wrong(self, text: str) -> None:
        """Something that should not be so."""
        self.say(f"[bold red]wrong:[/] {escape(text)}")

    def refused(self, attempt: str, problem: ProblemAnswer) -> None:
        """Something that was tried, and rightly not allowed."""
        self.say(f"{attempt}: [red]refused[/] ({problem.status} {problem.code}) [dim]{escape(str(problem.document.get('detail', '')))}[/]")

    def table(self, title: str, columns: Sequence[str], groups: Sequence[Sequence[Sequence[str]]], *, texts: int = 1) -> None:
        """Groups of rows are set apart by a line. The first `texts` columns are text, and one called `because`; the others are figures."""
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
        for place, column in enumerate(columns):
            table.add_column(column, justify="left" if place < texts or column == "because" else "right")
        for rows in groups:
            for row in rows:
                table.add_row(*row)
            table.add_section()
        self._console.print()
        self.say(f"[bold]{title}[/]")
        self._console.print(Padding(table, (0, 0, 0, 3), expand=False))

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        with self._console.status(what):
            yield


def mass(grams: int) -> str:
    """As people say it: "85 t", "950 kg", "49.9623 t"."""
    unit_g, unit = (1_000_000, "t") if abs(grams) >= 1_000_000 else (1_000, "kg")
    whole, rest = divmod(abs(grams), unit_g)
    digits = len(str(unit_g)) - 1
    decimals = f".{rest:0{digits}}".rstrip("0").rstrip(".") if rest else ""
    return f"{'-' if grams < 0 else ''}{whole:,}{decimals} {unit}"


def written_day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def money(amount_minor: int) -> str:
    """Australian dollars, with cents where there are any: "A$60,000,000", "A$1,121,917.81"."""
    dollars, cents = divmod(abs(amount_minor), 100)
    return f"{'-' if amount_minor < 0 else ''}A${dollars:,}" + (f".{cents:02}" if cents else "")
