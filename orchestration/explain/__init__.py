"""Why an identifier, an event or a person is whose it is: ``throughline explain``.

    published copy --reading--> standings, evidence, runs of devices
                   --paths----> what joins two identifiers, or comes nearest to it
                   --one, two-> an answer (answers.py), as data
                   --wording--> a page of sentences and tables, as text or Markdown
                   --drawing--> a picture of the identifiers and what was seen between them

Only the published copy is read, so a question waits for no run and locks nobody; what is said in
``identity_overrides.jsonl`` is read beside it, for the reasons their authors gave.
"""

from orchestration.explain.answers import Answer
from orchestration.explain.asking import explain
from orchestration.explain.rendering import as_markdown, as_text
from orchestration.explain.wording import page

__all__ = ["Answer", "as_markdown", "as_text", "explain", "page"]
