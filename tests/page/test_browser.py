"""The page as a reader uses it, in a headless Chromium."""

import json

import pytest

TEXT = "document.body.innerText"


@pytest.fixture(scope="module")
def browser(open_browser, page, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "报告 1.html"
    path.write_text(page, encoding="utf-8", newline="")
    browser = open_browser()
    browser.open(path.as_uri())
    browser.wait("document.documentElement.dataset.drawn === 'zh'")
    return browser


@pytest.fixture(autouse=True)
def quiet(browser):
    """Whatever a test does: no complaint in the console, and no request but the page itself."""
    yield
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in browser.requests if url.startswith("file:")]) == 1


def column(browser, number):
    return browser.run(
        f"[...document.querySelectorAll('#labels-table tbody tr')].map(r => r.children[{number}].dataset.value"
        f" ?? r.children[{number}].textContent.trim())"
    )


def test_every_chart_is_drawn_with_chinese_words(browser):
    charts = browser.run(
        "[...document.querySelectorAll('[data-chart]')].map(e => [e.dataset.chart, e.innerHTML.length])"
    )
    assert len(charts) == 11
    assert all(size > 2_000 for _, size in charts), charts
    assert browser.run("document.querySelector('[data-chart=\"matrix\"]').textContent").count("体育") == 2
    assert "缺席" in browser.run("document.querySelector('#labels-table').textContent")
    assert browser.run("document.querySelectorAll('img').length") == 0


def test_the_label_table_sorts_and_filters(browser):
    rows = [float(value) for value in column(browser, 1)]
    assert rows == sorted(rows, reverse=True)
    browser.click("#labels-table th:nth-child(6) button")
    scores = column(browser, 5)
    assert scores[-1] == ""  # the label that does not occur comes last
    assert [float(one) for one in scores[:-1]] == sorted(map(float, scores[:-1]), reverse=True)
    browser.click("#labels-table th:nth-child(6) button")
    scores = column(browser, 5)
    assert [float(one) for one in scores[:-1]] == sorted(map(float, scores[:-1]))
    assert scores[-1] == ""
    browser.write("#filter-labels", "体育")
    visible = "[...document.querySelectorAll('#labels-table tbody tr')].filter(r => !r.hidden).length"
    assert browser.run(visible) == 1
    browser.write("#filter-labels", " ")
    assert browser.run(visible) == 5


def test_errors_are_searched_and_shown_fifty_at_a_time(browser):
    shown = "document.querySelectorAll('#error-list article').length"
    total = len(json.loads(browser.run("document.getElementById('data').textContent"))["errors"])
    assert total > 50
    assert browser.run(shown) == 50
    browser.click("#more-errors")
    assert browser.run(shown) == min(total, 100)
    one = browser.run("JSON.parse(document.getElementById('data').textContent).errors[60]")
    browser.write("#search-errors", one[1][:6])
    assert one[1] in browser.run("document.getElementById('error-list').textContent")
    assert browser.run(shown) >= 1
    browser.write("#search-errors", "没有这样的文本")
    assert browser.run(shown) == 0
    assert browser.run("document.getElementById('errors-count').textContent").startswith("0 ")
    browser.write("#search-errors", " ")
    assert browser.run(shown) == 50


def test_language_and_theme_are_toggled(browser):
    assert "各项指标" in browser.run(TEXT)
    assert "Please note" not in browser.run(TEXT)
    browser.click("#language")
    browser.wait("document.documentElement.dataset.drawn === 'en'")
    assert "Please note" in browser.run(TEXT)
    assert "各项指标" not in browser.run(TEXT)
    assert browser.run("document.documentElement.lang") == "en"
    assert browser.run("document.getElementById('search-errors').placeholder") == "Search the errors"
    assert "recall" in browser.run("document.querySelector('[data-chart=\"precision_recall\"]').textContent")
    paper = "getComputedStyle(document.body).backgroundColor"
    before = browser.run(paper)
    browser.click("#theme")
    assert browser.run(paper) != before
    # The charts' colours are the page's own.
    line = "getComputedStyle(document.querySelector('[data-chart=\"loss\"] svg text')).fill"
    dark = browser.run(line)
    browser.click("#theme")
    assert browser.run(paper) == before
    assert browser.run(line) != dark
    browser.click("#language")
    browser.wait("document.documentElement.dataset.drawn === 'zh'")


def test_a_chart_answers_to_the_pointer(browser):
    place = browser.place('[data-chart="labels"] .mark-symbol path')
    browser.point(*place)
    tooltip = "document.getElementById('vg-tooltip-element')"
    browser.wait(f"{tooltip}?.classList.contains('visible')")
    assert "行数" in browser.run(f"{tooltip}.textContent")
    assert browser.run(f"{tooltip}.querySelectorAll('img').length") == 0
    browser.point(1, 1)


@pytest.mark.parametrize("width", [400, 900, 1400])
def test_the_page_fits_its_window(browser, width):
    browser.size(width, 900)
    browser.wait(f"document.documentElement.scrollWidth <= {width}")


def test_it_prints(browser):
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") >= 4
    assert len(pdf) > 50_000
