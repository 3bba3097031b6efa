"""The table in the README: what the tests showed."""

HEADER = "| SDK | call | over | result |\n|---|---|---|---|\n"


class Table:
    """A plug-in of pytest. It hears what every worker reports, and writes the table in the end."""

    def __init__(self, path):
        self.path = path
        # Where a row stands, and over which transports it was shown: by one test or by many.
        self.places = {}
        self.transports = {}
        self.failed = set()

    def pytest_runtest_logreport(self, report):
        for name, value in report.user_properties:
            if name == "row":
                self.add(*value)
                if not report.passed:
                    self.failed.add(tuple(value[1:4]))

    def add(self, place, sdk, call, result, transport):
        row = sdk, call, result
        self.places[row] = min(place, self.places.get(row, place))
        self.transports.setdefault(row, set()).add(transport)

    def pytest_sessionfinish(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(HEADER + "".join(self._line(row) for row in sorted(self.places, key=self._order)))

    def _order(self, row):
        """One SDK after the other, and then what they do with others; each as the tests stand in their files."""
        return not row[0].endswith(tuple("0123456789")), row[0], self.places[row]

    def _line(self, row):
        sdk, call, result = row
        over = ", ".join(sorted(self.transports[row]))
        return f"| {sdk} | {call} | {over} | {'**fails**' if row in self.failed else result} |\n"
