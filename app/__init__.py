"""The face: the dashboard and the terminal. Only here the parts are put together."""
