"""The report in a real browser: Debian's chromium, headless. Without one these tests are skipped."""

import chromium
import pytest
from report_pages import HOSTILE, feature, html, made_up

from rewardscope.report import report

pytestmark = pytest.mark.skipif(chromium.PROGRAM is None, reason="there is no chromium here")
COUNT = 5000
SHOWN = "[...document.querySelectorAll('#list button')].map(b => b.dataset.id.split('/').pop())"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with chromium.browser(tmp_path_factory.mktemp("profile")) as page:
        page.look(1280, 900)
        yield page


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    file = tmp_path_factory.mktemp("reports") / "many.html"
    file.write_text(html(COUNT, HOSTILE), encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def opened(page, many):
    page.open(many)
    return page


def choose(page, control: str, value: str) -> float:
    """Set a control as a user does; milliseconds until the page has answered and is laid out again."""
    return page.run(
        f"""(() => {{ const c = document.getElementById({control!r}), start = performance.now(); c.value = {value!r};
        c.dispatchEvent(new Event(c.tagName === "SELECT" ? "change" : "input", {{bubbles: true}}));
        document.body.getBoundingClientRect(); return performance.now() - start; }})()"""
    )


def test_it_opens_without_an_error_and_asks_for_nothing(opened, many):
    chromium.quiet(opened, many)


def test_hostile_text_stays_text(opened):
    assert opened.run("window.pwned") is None
    assert opened.run("document.querySelectorAll('img, script:not([id]), b b, iframe, object').length") == 1  # the page's own script
    assert "<img src=x onerror=window.pwned=1>" in opened.run("document.querySelector('#feature').textContent")
    assert "<img src=x onerror=window.pwned=1>" in opened.run("document.querySelector('.window').textContent")
    assert "<img src=x onerror=window.pwned=1>" in opened.run("document.querySelector('.completions').textContent")


def test_the_policy_holds_what_escaping_might_miss(opened):
    ran = "document.body.appendChild(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'})); window.ran === undefined"
    assert opened.run(ran)
    assert opened.run("fetch('https://example.org').then(() => false, () => true)")
    assert opened.run(
        "new Promise(done => { const i = new Image(); i.onerror = () => done(true); i.onload = () => done(false); i.src = 'https://example.org/x.png'; })"
    )


def test_search_filters_and_sorts_show_the_right_features(opened):
    everything = [feature(i) for i in range(COUNT)]
    assert opened.run("document.getElementById('count').textContent") == f"{COUNT} of {COUNT} features"
    assert opened.run(SHOWN)[:2] == [f"feature{COUNT - 1}", f"feature{COUNT - 2}"]  # changed most: the larger the number
    choose(opened, "search", "WORD1234")
    assert opened.run(SHOWN) == ["feature1234"]
    choose(opened, "search", "word12 love")
    assert opened.run("document.getElementById('count').textContent").startswith(f"{sum('word12' in f['on'] for f in everything)} of")
    choose(opened, "search", "")
    for control, value, part in (("side", "rlhf", "/rlhf/"), ("layer", "2", "/layer2/"), ("seed", "2", "/seed2/")):
        choose(opened, control, value)
        everything = [f for f in everything if part in f["id"]]
        assert opened.run("document.getElementById('count').textContent") == f"{len(everything)} of {COUNT} features"
    choose(opened, "sort", "up")
    assert opened.run(SHOWN)[0] == max(everything, key=lambda f: f["uUp"])["id"].split("/")[-1]
    choose(opened, "sort", "score")
    choose(opened, "score", "0.9")
    good = [f for f in everything if f["scores"]["simulation (correlation)"] >= 0.9]
    assert len(opened.run(SHOWN)) == min(60, len(good)) > 0
    assert opened.run(SHOWN)[0] == max(good, key=lambda f: f["scores"]["simulation (correlation)"])["id"].split("/")[-1]
    assert opened.run("document.getElementById('model').parentElement.hidden")  # there is one


def test_2000_features_filter_in_200_ms(opened):
    changes = [("search", "word1"), ("search", "nothing like it"), ("search", ""), ("sort", "moved"), ("side", "base"), ("side", "")]
    took = [min(choose(opened, *change) for _ in range(3)) for change in changes]  # the best of three: the machine may be busy
    assert max(took) < 200, took


def test_it_is_interactive_in_2_s(opened, many):
    took = []
    for _ in range(3):  # the best of three: the machine may be busy
        opened.open("about:blank")
        opened.open(many)
        took.append(opened.run("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"))
    assert min(took) < 2000, took


def test_an_address_opens_its_feature_and_the_keyboard_reaches_all(opened, many):
    address = feature(1501)["id"]
    opened.open("about:blank")  # else it would be the same document, at another place
    opened.open(f"{many}#{address}")
    assert opened.run("document.querySelector('#feature .address').textContent") == address
    opened.open("about:blank")
    opened.open(many)
    opened.run("document.querySelector('#list button').focus()")
    for key, code in (("ArrowDown", 40), ("Enter", 13)):
        for kind in ("rawKeyDown", "char", "keyUp"):
            opened.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text="\r" if key == "Enter" else "")
    assert opened.run("document.querySelector('#feature .address').textContent") == feature(COUNT - 2)["id"]
    assert opened.run("document.activeElement.id") == "feature"


def test_labels_and_headings(opened):
    chromium.labelled(opened)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1440, 1024, 390, 320])
def test_nothing_is_wider_than_the_window_and_text_has_contrast(opened, width, dark, tmp_path):
    opened.look(width, 844, dark)
    try:
        assert opened.run("document.documentElement.scrollWidth") <= width
        contrast = opened.run(chromium.CONTRAST)
        assert len(contrast) > 9 and [(where, ratio) for where, ratio in contrast if ratio < 4.5] == []
        opened.picture(tmp_path / "screen.png")
        assert (tmp_path / "screen.png").stat().st_size > 10_000
    finally:
        opened.look(1280, 900)


@pytest.mark.parametrize("dark, media", [(False, ""), (True, ""), (False, "print")])
def test_base_and_tuned_differ_in_greyscale(opened, dark, media):
    """Lightness (CIELAB's L*, 0 to 100) of their bars."""
    opened.look(1280, 900, dark, media)
    try:
        colours = opened.run("['base', 'rlhf'].map(s => getComputedStyle(document.querySelector(`svg .bar.${s}`)).fill.match(/\\d+/g).map(Number))")
        linear = lambda v: v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
        base, tuned = (116 * sum(w * linear(v / 255) for w, v in zip((0.2126, 0.7152, 0.0722), c, strict=True)) ** (1 / 3) - 16 for c in colours)
        assert abs(base - tuned) > 28
    finally:
        opened.look(1280, 900)


def test_no_table_is_wider_than_the_sheet(opened):
    """A4 less its margins, every fold open: the wide tables are stacked, a cell with its column's name."""
    opened.look(700, 1000, media="print")
    try:
        opened.run("document.querySelectorAll('details').forEach(d => { d.open = true; }); new Promise(done => setTimeout(done, 100))")
        wide = "[...document.querySelectorAll('table, pre')].filter(t => t.getBoundingClientRect().right > 700 || t.scrollWidth > 700).map(t => t.textContent.slice(0, 80))"
        assert opened.run(wide) == [] and opened.run("document.querySelectorAll('table').length") > 3
        assert opened.run("[...document.querySelectorAll('.stacked td')].slice(0, 2).map(c => [c.dataset.column, c.textContent])") == [
            ["model", "tiny"],
            ["reward", "utility"],
        ]
        assert opened.run("[...document.querySelectorAll('.stacked td')].every(c => c.dataset.column)")
    finally:
        opened.look(1280, 900)


def test_print_has_the_features_without_the_browser(opened):
    opened.look(800, 1000, media="print")
    try:
        shown = "e => getComputedStyle(document.querySelector(e)).display !== 'none'"
        assert opened.run(f"['.browser', '.top'].some({shown})") is False
        assert opened.run(f"['.static', '.verdict', '.completions'].every({shown})") is True
    finally:
        opened.look(1280, 900)


@pytest.mark.workflow
def test_the_report_of_a_run(page, finished):
    report = finished / "results/report.html"
    page.open(report.as_uri())
    assert [params for method, params in page.events if method in chromium.SAID] == []
    shown = page.run("document.querySelectorAll('#list button').length")
    assert f"{shown} of {shown} features" == page.run("document.getElementById('count').textContent") and shown > 0
    assert page.run("document.querySelectorAll('#provenance svg .node').length") > 10  # the rule graph
    assert report.stat().st_size < 5e6


def address(page) -> str:
    return page.run("document.querySelector('#feature .address')?.textContent ?? document.getElementById('feature').textContent")


def test_a_link_to_a_feature_that_is_not_here_says_so(opened, many):
    opened.open("about:blank")
    opened.open(f"{many}#{feature(3)['id']}999999")
    assert address(opened).startswith("There is no feature ") and address(opened).endswith(" in this report.")


def test_a_search_that_excludes_the_open_feature_clears_it(opened):
    assert address(opened) == feature(COUNT - 1)["id"]
    choose(opened, "search", "WORD1234")
    assert address(opened) == "The feature that was open is not among those found."
    assert opened.run("document.querySelectorAll('#list [aria-current]').length") == 0


def test_back_and_forward_walk_through_the_features(opened):
    for place in (1, 2):
        opened.run(f"document.querySelectorAll('#list button')[{place}].click()")
    assert address(opened) == feature(COUNT - 3)["id"]
    walk = "new Promise(done => {{ addEventListener('hashchange', () => setTimeout(() => done(true)), {{once: true}}); history.{}(); }})"
    opened.run(walk.format("back"))
    assert address(opened) == feature(COUNT - 2)["id"]
    opened.run(walk.format("forward"))
    assert address(opened) == feature(COUNT - 3)["id"]


def test_back_to_an_address_without_a_feature_opens_the_one_that_was_open_there(opened, many):
    opened.open("about:blank")
    opened.open(many)
    first = feature(COUNT - 1)["id"]
    go = "new Promise(done => {{ addEventListener('hashchange', () => setTimeout(() => done(true)), {{once: true}}); {}; }})"
    opened.run("document.querySelectorAll('#list button')[1].click()")
    opened.run(go.format("document.querySelector('nav a[href=\"#tables\"]').click()"))
    assert address(opened) == feature(COUNT - 2)["id"]  # a link to a section leaves it open
    opened.run("document.querySelectorAll('#list button')[2].click()")
    for expected in (feature(COUNT - 2)["id"], feature(COUNT - 2)["id"], first):  # at #tables, at its own address, at none
        opened.run(go.format("history.back()"))
        assert address(opened) == expected


def test_a_histogram_has_both_axes(opened):
    shown = feature(COUNT - 1)
    ticks = opened.run("[...document.querySelectorAll('#feature .hist .tick')].map(t => t.textContent)")
    assert ticks[:4] == ["0", f"{shown['max']:.1f}", "0", f"{max(shown['hist']):,}"]


def test_a_feature_s_page_says_what_tuning_changed_where_it_fires(opened):
    chips = opened.run("[...document.querySelectorAll('#feature .chip')].map(c => c.textContent).filter(t => t.includes('→'))")
    assert [chip.split(" ", 1)[-1] if chip.startswith("war") else chip[:7] for chip in chips] == ["romance", "20 → 9.9 %"] and chips[0].endswith(
        " 0.99 → 15 %"
    )


def test_the_keyboard_passes_by_the_list(opened):
    opened.run("document.querySelector('.list .skip').focus()")
    assert opened.run("document.querySelector('.list .skip').getBoundingClientRect().left") >= 0
    assert opened.run("document.querySelector('.list .skip').getAttribute('href')") == "#feature"


def test_wide_windows_are_used(opened):
    opened.look(1440, 900)
    try:
        assert opened.run("document.querySelector('main').getBoundingClientRect().width") > 1300
    finally:
        opened.look(1280, 900)


def test_a_feature_of_several_seeds_is_listed_once(page, tmp_path):
    """5 and 7, here of seeds 1 and 2 of one side, are one; 7 has changed more. The open member's row is marked, whichever it is."""
    view, data = made_up(8)
    old, new = (feature(i)["id"] for i in (5, 7))
    for entry in data["features"]:
        if entry["id"] in (old, new):
            entry |= {"group": 5, "same": [[1, 1, 5], [1, 2, 7], [1, 3, 9]], "in": [3, 3, 1, 1], "change": [0.99, 0.2]}
        if entry["id"] == new:
            entry["id"] = new = new.replace("seed1", "seed2")
    (tmp_path / "grouped.html").write_text(report.render(view, data), encoding="utf-8")
    page.open((tmp_path / "grouped.html").as_uri())
    shown = page.run(SHOWN)
    assert len(shown) == 7 and shown[0] == "feature5" and "feature7" not in shown
    assert page.run("document.getElementById('count').textContent") == "7 of 7 features"
    assert page.run("document.querySelector('#list .held').textContent") == "in 3 of 3 SAE seeds"
    facts = page.run("document.querySelector('.facts').textContent")
    assert (
        "the same as seed 2, feature 7; seed 3, feature 9 (not explained)" in facts
        and "0.20 with any SAE of tuned, 0.99 with any other of base" in facts
    )
    page.run("[...document.querySelectorAll('.facts .link')].find(b => b.textContent === 'seed 2, feature 7').click()")
    assert address(page) == new and page.run("document.querySelector('#list [aria-current]').dataset.id") == old
    choose(page, "seed", "2")
    assert "feature7" in page.run(SHOWN) and address(page) == new  # the member that is among those found stands for it


def test_words_of_an_explanation_that_are_shown_below_are_marked(page, tmp_path):
    view, data = made_up(1)
    data["features"][0] |= {"on": 'Fires on "film", after "sea".', "seen": ["film"], "unseen": ["sea"]}
    (tmp_path / "words.html").write_text(report.render(view, data), encoding="utf-8")
    page.open((tmp_path / "words.html").as_uri())
    assert page.run("[...document.querySelectorAll('#feature mark')].map(m => m.textContent)") == ["film"]
    assert page.run("document.querySelector('#feature bdi').textContent") == 'Fires on "film", after "sea".'
    said = page.run("document.querySelector('#feature .key').textContent")
    assert said.startswith("1 of its 2 words, underlined, stand in the windows below") and "the 100 strongest activations" in said
