"""The trace page in a real browser: it draws itself without an error, and what is clicked is shown."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from services.browser import open_browser
from traced import AFTER, BEFORE, CODE, QUESTION, QUOTE, UNCITED, write_trace

from funnel.trace.page import write_page
from funnel.trace.reading import Node, read_run, read_trace

HOSTILE = "</script><script>window.hit=1</script><img src=x onerror=window.hit=1>\u202egnp.exe\x00\ud800"
ODD = (
    ("model_call", {"messages": "x", "model": 3, "input_tokens": "a", "cost_usd": None, "text": None}),
    ("cell", {"code": None}),
    ("host_call", {"arguments": None}),
    ("turn", {"number": {"__proto__": 1}}),
    ("route", {"route": "deep", "reasons": None}),
    (
        "answer",
        {"text": None, "citations": [{"quote": None}, 5, None], "usage": None, "surroundings": [None]},
    ),
    ("constructor", {"a": {"b": [1, {"c": None}]}}),
    ("__proto__", {}),
    ("<b> x", {}),
)


@pytest.fixture(scope="module")
def browser():
    with open_browser() as driver:
        yield driver


@pytest.fixture
def show(browser, tmp_path):
    """Opens a trace's page from its file; at the end its console must be empty."""

    def open_page(**trace):
        write_trace(tmp_path / "t.jsonl", **trace)
        write_page(read_trace(tmp_path / "t.jsonl"), tmp_path / "t.html", name="t")
        browser.get((tmp_path / "t.html").as_uri())
        return browser

    yield open_page
    assert browser.get_log("browser") == []


def one(browser, css):
    return browser.find_element(By.CSS_SELECTOR, css)


def every(browser, css):
    return browser.find_elements(By.CSS_SELECTOR, css)


def bar(browser, kind):
    return one(browser, f"#lanes .bar.k-{kind}:not(.point)")


def test_a_markdown_list_is_a_list(browser, tmp_path):
    items = "- Hill House [1]\n- Sea View\n* The Mill\nIn order:\n2. one\n3. two"
    text = f"Three leases:\n{items}\n\nThat is all - or not."
    root = Node(1, "run", 0.0, {}, ended=True)
    citations = [{"title": "A", "quote": "q", "start": 0, "stop": 1}]
    start = text.index("- Sea View")
    uncited = [{"start": start, "stop": start + len("- Sea View"), "text": "- Sea View"}]
    data = {"text": text, "citations": citations, "uncited": uncited, "status": "complete"}
    root.children.append(Node(2, "answer", 0.0, data, ended=True))
    write_page(root, tmp_path / "t.html", name="t")
    browser.get((tmp_path / "t.html").as_uri())
    assert [each.text for each in every(browser, "#answer .text ul > li")] == [
        "Hill House 1",
        "Sea View",
        "The Mill",
    ]
    assert [each.text for each in every(browser, "#answer .text ol > li")] == ["one", "two"]
    assert one(browser, "#answer .text ol").get_attribute("start") == "2"
    assert one(browser, "#answer .text li .uncited").text == "Sea View"
    assert one(browser, "#answer .text").text.endswith("That is all - or not.")


@pytest.mark.parametrize(("key", "part"), [("t", "time"), ("e", "tree"), ("c", "cost"), ("a", "answer")])
def test_a_part_of_the_page_is_one_key_away(show, key, part):
    page = show()
    one(page, "body").send_keys(key)
    assert page.current_url.endswith(f"#{part}")


def test_letters_that_are_searched_for_go_nowhere(show):
    page = show()
    one(page, "#query").send_keys("tea")
    assert "#" not in page.current_url


def test_question_answer_route_and_sums_are_shown(show):
    page = show()
    assert one(page, "h1").text == QUESTION
    assert (
        one(page, "#answer .text").text.replace("\n", "")
        == "🦊 It ends in May 2026 1, and Ada Roth signed it 2. Nobody objected."
    )
    text = one(page, "#answer").text
    for shown in ("complete", "deep", "p = 0.90", "1,400", "$0.0140", "2026-11-22 15:01:42 UTC"):
        assert shown in text


def test_every_attempt_of_a_resumed_run_is_shown_and_the_last_ones_answer(browser, tmp_path):
    files = [tmp_path / "r.jsonl", tmp_path / "r.1.jsonl"]
    write_trace(files[0], finished=False)
    write_trace(files[1], life=1)
    write_page(read_run(files), tmp_path / "r.html", name="r")
    browser.get((tmp_path / "r.html").as_uri())
    chips = [chip.text for chip in every(browser, "#answer .chips li")]
    assert "complete" in chips
    assert "2 attempts" in chips
    assert one(browser, "#answer .text").text.startswith("🦊 It ends in May 2026")
    [first, second] = every(browser, "#branches > li > ul > li")
    assert "never ended" in first.text
    assert f"attempt 2: {QUESTION}" in second.text
    assert len(every(browser, "#branches .kind.k-turn")) >= 2
    assert browser.get_log("browser") == []


def test_what_no_citation_backs_is_underlined(show):
    [uncited] = every(show(), "#answer .uncited")
    assert uncited.text == UNCITED


def test_what_was_seen_of_the_documents_unfolds(show):
    [seen] = every(show(), "#answer .coverage")
    assert seen.text == "Seen: 1 document of 1 that were found or searched"
    one(seen, "summary").click()
    assert "900 of 4,000 characters read, 0 judged, 1 pattern, 2 matches" in seen.text


def test_a_marker_leads_to_its_citation_in_the_document(show):
    page = show()
    one(page, ".marker").click()
    card = one(page, "#citation-1")
    assert "shown" in card.get_attribute("class")
    assert one(card, "mark").text == QUOTE
    assert one(card, "blockquote").get_attribute("textContent") == BEFORE + QUOTE + AFTER


def test_a_citation_without_its_surroundings_is_shown_by_its_quote(show):
    page = show()
    assert one(page, "#citation-2 blockquote").get_attribute("textContent") == QUESTION


def test_a_row_of_a_table_is_shown_below_the_header_of_its_columns(show):
    page = show()
    assert one(page, "#citation-2 .columns").get_attribute("textContent") == QUESTION
    assert every(page, "#citation-1 .columns") == []


def test_a_node_of_the_tree_shows_code_and_output(show):
    page = show()
    one(page, "#branches .k-cell").click()
    blocks = [pre.get_attribute("textContent") for pre in every(page, "#detail pre")]
    assert blocks == [CODE, f"{QUESTION}\n"]
    assert [e.text for e in every(page, "#detail .tok-host, #detail .tok-number")] == ["grep", "42"]
    assert f"ValueError: {QUESTION}" in one(page, "#detail .bad").text


def test_a_bar_of_the_time_line_opens_its_place_in_the_tree(show):
    page = show()
    assert every(page, "#branches .k-batch") == []
    bar(page, "batch").click()
    assert one(page, "#branches [aria-selected=true] .kind").text == "batch"
    assert one(page, "#detail h3").text == "batch 4 at once"


def test_calls_at_once_have_lanes_of_their_own(show):
    page = show(calls=4)
    tops = [b.value_of_css_property("top") for b in every(page, "#lanes .bar.k-model_call")]
    assert [len(set(tops[:1])), len(set(tops[1:]))] == [1, 4]
    assert "at most 4" in one(page, ".peak").text


def test_prompts_and_reply_of_a_call_can_be_read(show):
    page = show()
    bar(page, "model_call").click()
    titles = [summary.text.split(" ")[0:2] for summary in every(page, "#detail summary")]
    assert titles == [["reply", titles[0][1]], ["prompt", "1"], ["prompt", "2"]]
    one(page, "#detail details:nth-of-type(2) summary").click()
    page.execute_async_script("requestAnimationFrame(() => arguments[0]())")
    assert "You are an inspector" in every(page, "#detail pre")[1].text


def test_the_cost_of_a_node_is_its_own_and_that_of_all_below(show):
    page = show(calls=4)
    [row] = [r for r in every(page, "#nodes tbody tr") if one(r, "button").text == "turn 1"]
    cells = [cell.text for cell in every(row, "td")][1:7]
    assert cells == ["1", "5", "1,050", "1,490", "$0.0100", "$0.0140"]


def test_a_column_head_sorts_the_table(show):
    page = show()
    every(page, "#nodes th button")[8].click()
    seconds = page.execute_script(
        "return nodes.filter(n => n.lasts && n.kind !== 'model_call').map(n => n.all.s)"
    )
    assert one(page, "#nodes th[aria-sort=descending]").text.startswith("all time")
    assert every(page, "#nodes tbody tr")[0].text.startswith("run")
    assert max(seconds) == seconds[0]


def test_search_finds_what_a_prompt_holds_and_leads_there(show):
    page = show()
    one(page, "#query").send_keys("part 3:")
    page.execute_async_script("setTimeout(arguments[0], 300)")
    assert one(page, "#found p").text == "1 event"
    one(page, "#found button").click()
    assert one(page, "#detail h3").text.startswith("model call query small")


def test_the_tree_is_walked_by_keys(show):
    page = show()
    page.execute_script("document.querySelector('#branches li').focus()")
    at = page.switch_to.active_element
    at.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert page.switch_to.active_element.get_attribute("aria-label") == "turn 1"
    page.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    assert page.switch_to.active_element.get_attribute("aria-expanded") == "false"
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert one(page, "#detail h3").text == "turn 1"


def test_the_time_line_is_walked_and_zoomed_by_keys(show):
    page = show()
    page.execute_script("document.querySelector('#lanes .bar').focus()")
    width = page.execute_script("return document.getElementById('lanes').scrollWidth")
    page.switch_to.active_element.send_keys("+", "+", Keys.ARROW_DOWN, Keys.ENTER)
    assert one(page, "#detail h3").text.startswith("retrieve")
    assert page.execute_script("return document.getElementById('lanes').scrollWidth") > 2 * width


def test_hostile_text_is_text(show):
    page = show(text=HOSTILE)
    page.execute_script("nodes.forEach(open); nodes.forEach((node) => select(node))")
    assert page.execute_script("return window.hit ?? null") is None
    assert [len(every(page, tag)) for tag in ("img", "script")] == [0, 2]
    assert one(page, "h1").text.endswith("\\u202egnp.exe\\u0000\\ud800")


def test_an_address_with_an_event_opens_at_it(show, tmp_path):
    page = show()
    bar(page, "batch").click()
    address = page.current_url
    page.get("about:blank")
    page.get(address)
    assert one(page, "#detail h3").text == "batch 4 at once"


def test_data_of_other_shapes_than_ours_is_shown_as_it_is(browser, tmp_path):
    root = Node(1, "run", 0.0, {"question": 5, "started_at": 7}, ended=False)
    for number, (kind, data) in enumerate(ODD, start=2):
        root.children.append(Node(number, kind, 0.0, data, ended=True, wall_s=number % 2 or None))
    write_page(root, tmp_path / "odd.html", name="odd")
    browser.get((tmp_path / "odd.html").as_uri())
    browser.execute_script("nodes.forEach((node) => select(node))")
    assert len(every(browser, "#lanes .bar")) == len(ODD) + 1
    assert browser.get_log("browser") == []


def test_a_run_that_was_killed_is_shown_as_far_as_it_came(show):
    page = show(finished=False)
    assert "never ended" in one(page, ".chips").text
    assert "This run gave no answer." in one(page, "#answer").text


def test_the_dark_page_is_dark(browser, show):
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    try:
        page = show()
        assert (
            page.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(18, 20, 26)"
        )
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_nothing_is_wider_than_a_narrow_window(browser, show):
    metrics = {"width": 380, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page = show()
        assert page.execute_script("return document.documentElement.scrollWidth") == 380
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
