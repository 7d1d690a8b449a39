from typing import Literal
Task = Literal["multilabel", "multiclass"]
