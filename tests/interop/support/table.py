"""The table in the README: what the tests showed."""

HEADER = "| SDK | call | result |\n|---|---|---|\n"


class Table:
    """A plug-in of pytest. It hears what every worker reports, and writes the table in the end."""

    def __init__(self, path):
        self.path = path
        # Where a row stands; one row may be shown by many tests.
        self.places = {}
        self.failed = set()

    def pytest_runtest_logreport(self, report):
        for name, row in report.user_properties:
            if name == "row":
                place, *cells = row
                cells = tuple(cells)
                self.places[cells] = min(place, self.places.get(cells, place))
                if not report.passed:
                    self.failed.add(cells)

    def pytest_sessionfinish(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(HEADER + "".join(self._line(row) for row in sorted(self.places, key=self._order)))

    def _order(self, row):
        """By SDK, then as the tests stand in their files."""
        return row[0] == "both", row[0], self.places[row]

    def _line(self, row):
        sdk, call, result = row
        return f"| {sdk} | {call} | {'**fails**' if row in self.failed else result} |\n"
