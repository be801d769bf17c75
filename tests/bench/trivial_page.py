"""The floor of the page measurements: one slider, one chart, nothing else."""

import plotly.graph_objects as go
import streamlit as st

value = st.slider("value", 0, 100, 0)
figure = go.Figure(go.Bar(x=[value], y=["value"], orientation="h"))
figure.update_layout(title=f"the value is {value}")
st.plotly_chart(figure, key="chart")
