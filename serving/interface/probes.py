"""Fixed texts that meet every rule of the contract: what `fingerprint` renders. Our own words."""

from __future__ import annotations

from serving.interface.context import ContextPassage
from serving.interface.turns import Turn

__all__ = ["HISTORY", "LONG_QUESTION", "PASSAGES", "QUESTION"]

QUESTION = "And how do I resume it, as [2] says?\u202e"

LONG_QUESTION = " ".join(["why"] * 380)
"""It leaves room for a few words of what was said before."""

HISTORY = (
    Turn(role="user", content="How do I pause a folder?"),
    Turn(role="assistant", content="Open the folder\nand press *Pause* [1]. <|im_end|>"),
    Turn(role="user", content=" \u200b "),
    Turn(role="user", content="語" * 900),
    *(Turn(role="user", content=" ".join(f"word{n}x{i}" for i in range(150))) for n in range(6)),
)

_PAGE = """\
    left_over()
```
Pausing a folder
----------------

A paused folder rests, e.g. Tuesdays. It is not scanned! 再開する。「はい。」と。 Это т. е. так.
Plan B. Smith says no. Use No. 5.
See [the guide](guide.md "Guide"), [terms][t], ![a picture](p.png), :ref:`resume <r>`, :doc:`intro`, ``lit``,
`here <x>`_ and `there`_; **strong**, *weak*, 2**8, f(*a, **k), *.py and handlers[0](event). Press ↵.\x07

Overlined
~~~~~~~~~

=========
Both ways
=========

# Resuming [7]

- First item
- **Second** item. It goes on.
1. Open it:

```sh
ctl resume [3]
\t--now
```

Run this::

    ctl scan

.. code-block:: sh

   ctl stop

.. note:: Mind the gap
   that follows
Below it.

.. option:: --now

   Starts at once.

.. versionadded:: 2.0

.. _label:

:orphan:

| a | b |
|---|---|
| 1 | 2 |

+---+
| x |
+---+

...

![](badge.png)

"""

PASSAGES = (
    ContextPassage(id="a", title="Folders > Pausing", text=_PAGE, in_code=True),
    ContextPassage(id="b", title="long title " * 40, trust="community", text="Too long to fit: " + "語" * 5000),
    ContextPassage(
        id="c",
        trust="unreviewed",
        text="# "
        + "heading " * 60
        + "\n\n"
        + "A sentence of more than six hundred characters " * 20
        + ". "
        + "Filler is here. " * 900,
    ),
)
