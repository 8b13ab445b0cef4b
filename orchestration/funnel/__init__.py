"""A funnel's numbers for any definition, without changing anything: ``throughline funnel``.

    throughline.yml, a file, options --definition--> one checked Funnel
    published copy, or the warehouse --reading-----> what the models read, as temporary views
                                     --judging-----> events and properties nobody ever sent: refused
    the models' own SQL (model_sql)  --asking------> Answer: steps and segments, as data

The published copy is read, so a question waits for no run and locks nobody. What stands in it of an
event is enough for every funnel but one that looks into properties nobody has reviewed; those, and
what is not published yet, are asked of the warehouse, under its lock (``--warehouse``).
"""

from orchestration.funnel.asking import Answer, Question, Segment, StepCounts, ask
from orchestration.funnel.definition import Typed, declared, from_options, from_text
from orchestration.funnel.reading import open_published, open_warehouse_of

__all__ = [
    "Answer",
    "Question",
    "Segment",
    "StepCounts",
    "Typed",
    "ask",
    "declared",
    "from_options",
    "from_text",
    "open_published",
    "open_warehouse_of",
]
