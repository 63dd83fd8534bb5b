"""dlt: its filesystem source and its reader of CSV, into its Postgres destination."""

import os
import tempfile

from settings import Setting

setting = Setting()
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["SOURCES__FILESYSTEM__CREDENTIALS__AWS_ACCESS_KEY_ID"] = setting.access_key
os.environ["SOURCES__FILESYSTEM__CREDENTIALS__AWS_SECRET_ACCESS_KEY"] = setting.secret_key
os.environ["SOURCES__FILESYSTEM__CREDENTIALS__ENDPOINT_URL"] = setting.endpoint
os.environ["SOURCES__FILESYSTEM__CREDENTIALS__REGION_NAME"] = setting.region
# CSV files between its steps: its fastest way into Postgres.
os.environ["NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS"] = "500000"

import dlt  # noqa: E402
from dlt.sources.filesystem import readers  # noqa: E402

reader = readers(
    bucket_url=f"s3://{setting.bucket}/{setting.prefix.rstrip('/')}", file_glob="*.csv"
).read_csv(chunksize=50_000, dtype={name: str for name in setting.texts}, keep_default_na=True)
pipeline = dlt.pipeline(
    "bench",
    # What an earlier run has left would be loaded first.
    pipelines_dir=tempfile.mkdtemp(prefix="dlt-", dir="."),
    # It asks for a password; the server does not.
    destination=dlt.destinations.postgres(setting.database_url.replace("@", ":none@")),
    dataset_name=setting.schema,
)
pipeline.run(
    reader.with_name(setting.table), write_disposition="replace", loader_file_format="csv"
).raise_on_failed_jobs()
