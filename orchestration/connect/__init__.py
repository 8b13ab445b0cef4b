"""``throughline connect``: from a place with data to a commented source in ``throughline.yml``.

::

    place -> look (files | tables) -> guess (mapping) -> YAML -> trial (the real judge) -> insert

Everything but the questions works on plain values; nothing is written before the last step.
"""
