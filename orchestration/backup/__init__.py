"""``throughline backup`` and ``restore``: a home as a folder of plain files, its keys apart.

    DIR/backup.json   written last: versions, key id, size and sha256 of every file
    DIR/home/…        the home as it is, without .keys/, .env, the lock and the loader's workplace

Taken under the lock of the warehouse and of publishing, so that all of it belongs together. It is
made in ``.DIR.unfinished`` and renamed at the end: a killed backup never looks like one. Landing
files may grow meanwhile; their first bytes are copied, and the rest is loaded after a restore from
where the producers keep it. Databases of Dagster are copied by SQLite itself.
"""
