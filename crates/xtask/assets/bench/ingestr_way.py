"""ingestr: one run of all objects below the prefix."""

import os
import pathlib
import sys
import urllib.parse

from settings import Setting

setting = Setting()
os.environ["INGESTR_DISABLE_TELEMETRY"] = "true"
source = "s3://?" + urllib.parse.urlencode(
    {
        "endpoint_url": setting.endpoint,
        "access_key_id": setting.access_key,
        "secret_access_key": setting.secret_key,
        "region": setting.region,
    }
)
program = pathlib.Path(sys.executable).parent / "ingestr"
os.execv(
    program,
    [
        "ingestr",
        "ingest",
        "--yes",
        "--progress",
        "log",
        "--source-uri",
        source,
        "--source-table",
        f"{setting.bucket}/{setting.prefix}*.csv",
        "--dest-uri",
        setting.database_url.replace("postgres://", "postgresql://"),
        "--dest-table",
        f"{setting.schema}.{setting.table}",
        "--columns",
        ",".join(f"{name.lower()}:text" for name in setting.texts),
    ],
)
