"""pgloader: it reads files, not S3, so it gets the one file that holds all rows."""

import os
import sys

from settings import Setting

setting = Setting()
fields = ", ".join(
    f"\"{name}\" [null if blanks]" if sql_type != "text" else f'"{name}"'
    for _, name, sql_type in setting.columns
)
names = ", ".join(f'"{name}"' for _, name, _ in setting.columns)
target = f"postgresql://postgres@127.0.0.1:{setting.port}/{setting.database}?sslmode=disable"
with open("load.pgloader", "w") as script:
    script.write(
        f"""LOAD CSV FROM '{setting.one}' ({fields})
INTO {target}
TARGET TABLE {setting.schema}.{setting.table} ({names})
WITH skip header = 1, fields optionally enclosed by '"', fields escaped by double-quote,
     fields terminated by ',', keep unquoted blanks;
"""
    )
os.execv(sys.argv[1], ["pgloader", "--no-ssl-cert-verification", "--quiet", "load.pgloader"])
