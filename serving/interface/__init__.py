"""The tuned interface: the contract that training and serving share.

Pure: standard library, pydantic and sandboxed jinja2; no I/O, no clock, no model. Each generative behaviour is one
module with `build_messages`, `build_target` and `parse` side by side: datasets call the first two, serving the first
and the third, metrics the third.
"""
