"""The HTTP API, one file per noun; each has a `router`."""
