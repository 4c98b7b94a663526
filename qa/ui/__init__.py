"""The chat in a browser: ask, see the proof in the policy's own page, compare companies.

Documents, questions and models are untrusted: what they say becomes HTML only in ``html`` and
``source``, whose escaper is the wall, and ``security`` lets the page load nothing but itself.
Gradio is imported by ``page`` alone, when the chat is started.
"""
