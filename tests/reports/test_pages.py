"""`report.html` and `comparison.html` in a real browser. Screenshots stay in target/reports-screenshots/, for people to look at."""

import re

import pytest
from playwright.sync_api import sync_playwright

from support.browser import FLAGS, LOOKS, SCREENSHOTS, Looked, colours
from support.compared import every_comparison
from support.made import every_run

# Name of each page, and what has to stand in view first.
PAGES = {made.name: made.verdict for made in every_run()}
PAGES["capacity"] = "pass"
PAGES |= {f"comparison-{compared.name}": compared.verdict for compared in every_comparison()}
# What holds for one page of a kind holds for all: these have most on them.
RICHEST = ("drill", "capacity", "comparison-equivalent")


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


def file_of(name, request):
    if name.startswith("comparison-"):
        return request.getfixturevalue("comparisons")[name.removeprefix("comparison-")].file("comparison.html")
    if name == "capacity":
        return request.getfixturevalue("capacity").file("report.html")
    return request.getfixturevalue("runs")[name].file("report.html")


@pytest.fixture(params=PAGES)
def page_file(request):
    """Each page in turn, unless a test names its pages: name and file."""
    return request.param, file_of(request.param, request)


@pytest.fixture
def look(browser, page_file):
    """Opens the page in one of the looks; closes it afterwards."""
    opened = []

    def open_it(how, path=None):
        opened.append(Looked(browser, path or page_file[1], how))
        return opened[-1]

    yield open_it
    for looked in opened:
        looked.close()


richest = pytest.mark.parametrize("page_file", RICHEST, indirect=True)


@pytest.mark.parametrize("how", LOOKS)
def test_it_opens_without_trouble_and_shows_something(look, page_file, how):
    looked = look(how)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    picture = SCREENSHOTS / f"{page_file[0]}-{how}.png"
    # A whole page is some ten thousand dots high, which takes its time.
    looked.page.screenshot(path=picture, full_page=page_file[0] in RICHEST)
    assert looked.trouble == []
    assert [url for url in looked.requests if not url.startswith("data:")] == [looked.url], "nothing but itself is loaded"
    different, share = colours(picture)
    assert different > 20 and share > 0.02, f"{picture} is blank"
    # What does not fit scrolls within its own box, never the page.
    widths = "[document.scrollingElement.scrollWidth, document.documentElement.clientWidth]"
    wide, room = looked.page.evaluate(widths)
    assert wide <= room, f"the page is {wide} wide, its window {room}"


@richest
def test_it_is_the_same_without_scripts(look, page_file):
    """Nothing of it is made by a script, so that Jenkins and mail programs show it as well."""
    without, with_scripts = look("scripts-off").page, look("light").page
    assert without.screenshot(full_page=True) == with_scripts.screenshot(full_page=True)
    assert without.locator("script").count() == 0


@pytest.mark.parametrize("how", ["light", "dark"])
def test_axe_finds_nothing(look, how):
    looked = look(how)
    # What is folded has to be as good as what is not.
    looked.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert looked.axe() == []


@richest
def test_dark_is_dark(look):
    def brightness(how):
        looked = look(how)
        colour = looked.page.evaluate(
            "(getComputedStyle(document.body).backgroundColor !== 'rgba(0, 0, 0, 0)' ? getComputedStyle(document.body)"
            " : getComputedStyle(document.documentElement)).backgroundColor"
        )
        return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3])

    assert brightness("dark") < 200 < 600 < brightness("light")


@pytest.mark.parametrize("how", ["light", "narrow"])
def test_the_verdict_is_in_view_first(look, page_file, how):
    page = look(how).page
    word = page.locator("h1, h2, .word", has_text=re.compile(rf"^\W*{PAGES[page_file[0]]}", re.IGNORECASE)).first
    box = word.bounding_box()
    view = LOOKS[how]["viewport"]
    assert box["y"] >= 0 and box["y"] + box["height"] <= view["height"], "without scrolling"
    size = float(word.evaluate("each => getComputedStyle(each).fontSize").removesuffix("px"))
    body = float(page.locator("body").evaluate("each => getComputedStyle(each).fontSize").removesuffix("px"))
    assert size > body


@richest
def test_the_keyboard_reaches_everything(look):
    page = look("narrow").page
    page.keyboard.press("Tab")
    first = "(each => [each.tagName, each.getAttribute('href'), each.getBoundingClientRect().top])(document.activeElement)"
    tag, target, top = page.evaluate(first)
    assert tag == "A" and target.startswith("#"), "first a link past the navigation"
    assert top >= 0, "which is seen once it has the focus"
    page.keyboard.press("Enter")
    assert page.evaluate("target => document.querySelector(target) === document.activeElement", target)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    unreachable = page.evaluate("""[...document.querySelectorAll('*')].filter(each =>
        each.scrollWidth > each.clientWidth + 1
        && ['auto', 'scroll'].includes(getComputedStyle(each).overflowX)
        && each.tabIndex < 0
    ).map(each => each.outerHTML.slice(0, 200))""")
    assert unreachable == [], "whatever scrolls can be scrolled by keys"
    for summary in page.locator("summary").all()[:3]:
        summary.focus()
        before = summary.evaluate("each => each.parentElement.open")
        page.keyboard.press("Enter")
        assert summary.evaluate("each => each.parentElement.open") != before


@richest
def test_each_picture_has_a_name_and_a_table(look):
    page = look("light").page
    pictures = page.evaluate("""[...document.querySelectorAll('figure svg')].map(each => {
        const named = each.getAttribute('aria-label') || each.getAttribute('aria-labelledby') || each.querySelector('title');
        const figure = each.closest('figure');
        return [each.getAttribute('role'), Boolean(named), Boolean(figure.querySelector('table'))];
    })""")
    assert len(pictures) >= 2
    for role, named, table in pictures:
        assert role == "img" and named and table, pictures


@richest
def test_links_and_names_within_it_are_right(look):
    page = look("light").page
    dangling, twice = page.evaluate("""(() => {
        const ids = [...document.querySelectorAll('[id]')].map(each => each.id);
        const refs = [...document.querySelectorAll('a[href^="#"]')].map(each => each.getAttribute('href').slice(1));
        for (const name of ['aria-labelledby', 'aria-describedby', 'for']) {
            for (const each of document.querySelectorAll(`[${name}]`)) refs.push(...each.getAttribute(name).split(/ +/));
        }
        return [refs.filter(ref => !ids.includes(ref)), ids.filter((id, at) => ids.indexOf(id) !== at)];
    })()""")
    assert dangling == [] and twice == []


@richest
def test_it_prints(look, page_file):
    """On paper: every page is within its margins, and colours are those of paper even for who looks at screens in the dark."""
    looked = look("dark")
    looked.page.emulate_media(media="print")
    colour = looked.page.evaluate("getComputedStyle(document.body).color")
    assert sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) < 300, f"ink is dark, not {colour}"
    pdf = looked.page.pdf(path=SCREENSHOTS / f"{page_file[0]}.pdf", format="A4")
    assert pdf.startswith(b"%PDF") and 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) < 60


def test_each_step_of_a_capacity_leads_to_its_page(capacity, browser):
    looked = Looked(browser, capacity.file("report.html"), "light")
    links = looked.page.locator("main a").evaluate_all("all => all.map(each => each.getAttribute('href'))")
    assert len(links) == len(capacity.results["capacity"]["steps"])
    for link in links:
        assert (capacity.folder / link).is_file(), link
    text = looked.page.locator("main").inner_text().replace("\u00a0", " ")
    assert "40 to 41.8 calls/s (4.5 % wide); more is throttled" in text
    assert "A note with <b>tags</b> | and pipes." in text
    looked.page.locator("main a").first.click()
    assert looked.page.url.endswith("/steps/01/report.html")
    looked.close()


def test_no_word_of_a_profile_becomes_markup(runs, browser):
    """The drill's claim has tags in it."""
    looked = Looked(browser, runs["drill"].file("report.html"), "light")
    text = looked.page.locator("main").inner_text()
    looked.close()
    claim = runs["drill"].results["drill"]["claim"]
    assert claim in text


BROKEN = [
    ("no language", lambda html: html.replace('<html lang="en">', "<html>")),
    ("no title", lambda html: re.sub("<title>.*?</title>", "<title></title>", html, flags=re.DOTALL)),
    ("pale words", lambda html: html.replace("</head>", "<style>*{color:#ccc!important;background:#fff!important}</style></head>")),
    ("a picture without a name", lambda html: html.replace("</main>", '<svg role="img" width="9" height="9"></svg></main>')),
]


@pytest.mark.parametrize("damage", [damage for _, damage in BROKEN], ids=[what for what, _ in BROKEN])
def test_axe_would_find_what_is_broken(runs, browser, tmp_path, damage):
    html = runs["quickstart"].file("report.html").read_text()
    assert damage(html) != html
    path = tmp_path / "report.html"
    path.write_text(damage(html))
    looked = Looked(browser, path, "light")
    found = looked.axe()
    looked.close()
    assert found


TROUBLE = [
    ("a script that fails", "<script>throw new Error('x')</script>"),
    ("a picture from elsewhere", '<img src="https://example.invalid/x.png" alt="">'),
    ("a script of its own file", '<script src="more.js"></script>'),
]


@pytest.mark.parametrize("words", [words for _, words in TROUBLE], ids=[what for what, _ in TROUBLE])
def test_trouble_would_be_noticed(runs, browser, tmp_path, words):
    path = tmp_path / "report.html"
    path.write_text(runs["quickstart"].file("report.html").read_text().replace("</main>", f"{words}</main>"))
    looked = Looked(browser, path, "light")
    noticed = looked.trouble or looked.requests != [looked.url]
    looked.close()
    assert noticed
