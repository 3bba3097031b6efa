"""Whether the README holds the table that the tests wrote; with --update, makes it so."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- interop table -->\n", "<!-- end of the interop table -->\n"


def main():
    readme, table = ROOT / "README.md", (ROOT / "target/interop-table.md").read_text()
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    held, after = rest.split(END)
    if held.strip() == table.strip():
        return
    if "--update" not in sys.argv[1:]:
        sys.exit("the README's table of the SDKs is not what the tests show: tests/interop/run --update")
    readme.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")


main()
