"""The lifecycle page through Streamlit's own test driver."""

from streamlit.testing.v1 import AppTest

from tests.e2e.test_pages import go, open_page, text_of


def trend(page: AppTest, name: str):
    return page.number_input(key=f"trend:{name}")


def test_page_says_what_recycle_is_worth_and_draws_three_pictures():
    page = open_page("lifecycle")
    assert not page.exception
    assert not page.error
    assert "Replacing accelerators" in text_of(page)
    assert "Recycle is worth" in text_of(page)
    assert "charged straight\\-line" in text_of(page)
    assert len(page.get("plotly_chart")) == 3
    assert len(page.dataframe) == 2


def test_a_trend_of_ones_own_changes_the_answer_and_survives_other_pages():
    page = open_page("lifecycle")
    before = page.header[0].value
    for name in ("accelerator_efficiency_gain", "accelerator_embodied_decline"):
        trend(page, name).set_value(0.0).run()
    trend(page, "accelerator_throughput_gain").set_value(0.0).run()
    after = page.header[0].value
    assert not page.exception
    assert "accelerators every 8 years" in after
    assert after != before
    go(page, "traffic")
    go(page, "lifecycle")
    assert trend(page, "accelerator_efficiency_gain").value == 0.0
    assert page.header[0].value == after
    page.button[-1].click().run()
    assert trend(page, "accelerator_efficiency_gain").value == 20.0
    assert page.header[0].value == before


def test_horizon_is_told_with_the_figure():
    page = open_page("lifecycle")
    page.slider(key="trend:horizon_years").set_value(5).run()
    assert not page.exception
    assert "over 5 years" in text_of(page)
    assert len(page.dataframe[0].value) == 5


def test_traffic_that_nobody_can_serve_is_told():
    page = open_page("traffic")
    page.number_input(key="in:traffic:workloads.0.slo.ttft_s").set_value(0.01).run()
    go(page, "lifecycle")
    assert not page.exception
    assert page.error
    assert not page.get("plotly_chart")
    assert "no fleet to refresh" in "\n".join(caption.value for caption in page.caption)
