"""How the states of a text become one vector: known without loading a network."""

from typing import Literal

Pooling = Literal["first", "mean"]
"""`first`: the state of the first token, through the class's own pooler and head; `mean`: over the whole text."""
