"""A page and an HTTP interface to prediction, on one's own machine: upload, listen, watch; live from a microphone.

`app.create` builds the FastAPI application, `serving.serve` runs it. Nothing that is sent is kept: an upload lies in an
anonymous temporary file that is gone with the answer. Needs ``pip install "emotrace[web]"``.
"""
