"""A mapping guessed from the names and first values of columns; its owner corrects the YAML.

::

    columns -> kind of row -> identifiers -> times -> consent, money, page -> the rest as properties

The order matters: a column that one field has taken is free for no other. Never guessed: a lawful
basis, and columns that may name people and were not asked for.
"""
