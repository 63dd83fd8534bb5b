"""sling: one run of all objects below the prefix."""

import json
import os
import pathlib
import sys

from settings import Setting

setting = Setting()
program = pathlib.Path(sys.argv[1]) / "sling_linux_amd64/bin/sling-linux-amd64"
os.environ["SLING_DISABLE_TELEMETRY"] = "true"
os.environ["S3"] = json.dumps(
    {
        "type": "s3",
        "bucket": setting.bucket,
        "endpoint": setting.endpoint,
        "access_key_id": setting.access_key,
        "secret_access_key": setting.secret_key,
        "region": setting.region,
    }
)
os.environ["PG"] = setting.database_url
options = {"format": "csv", "columns": {name: "text" for name in setting.texts}}
os.execv(
    program,
    [
        "sling",
        "run",
        "--src-conn",
        "S3",
        "--src-stream",
        f"s3://{setting.bucket}/{setting.prefix}",
        "--src-options",
        json.dumps(options),
        "--tgt-conn",
        "PG",
        "--tgt-object",
        f"{setting.schema}.{setting.table}",
        "--mode",
        "full-refresh",
    ],
)
