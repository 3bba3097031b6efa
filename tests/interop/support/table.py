"""The table in the README: what the tests showed. Only a whole run that passed writes it."""

HEADER = "| SDK | call | result |\n|---|---|---|\n"


class Table:
    """A plug-in of pytest; it hears what every worker reports."""

    def __init__(self, path):
        self.path = path
        self.rows = {}
        self.failed = set()

    def pytest_runtest_logreport(self, report):
        for name, row in report.user_properties:
            if name == "row":
                place, *cells = row
                self.rows.setdefault(tuple(cells), place)
                if not report.passed:
                    self.failed.add(tuple(cells))

    def pytest_sessionfinish(self, session, exitstatus):
        rows = sorted((place, cells) for cells, place in self.rows.items())
        lines = [f"| {sdk} | {call} | {'**fails**' if (sdk, call, result) in self.failed else result} |" for _, (sdk, call, result) in rows]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(HEADER + "".join(line + "\n" for line in lines))
