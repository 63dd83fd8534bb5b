"""DuckDB: its reader of CSV on S3, and its Postgres extension, which sends binary COPY."""

import pathlib
import sys

import duckdb
from settings import Setting

setting = Setting()
connection = duckdb.connect()
for package in ("httpfs", "postgres_scanner"):
    folder = pathlib.Path(sys.argv[1]) / f"duckdb_extension_{package}"
    (file,) = folder.rglob("*.duckdb_extension")
    connection.load_extension(str(file))
connection.execute(
    f"""create secret (type s3, key_id '{setting.access_key}', secret '{setting.secret_key}',
        region '{setting.region}', endpoint '{setting.endpoint.removeprefix("http://")}',
        url_style 'path', use_ssl false)"""
)
connection.execute(f"attach '{setting.database_url}' as pg (type postgres)")
texts = ", ".join(f"'{name}': 'varchar'" for name in setting.texts)
types = f", types = {{{texts}}}" if texts else ""
connection.execute(
    f"""create table pg.{setting.schema}.{setting.table} as
        select * from read_csv('s3://{setting.bucket}/{setting.prefix}*.csv'{types})"""
)
