"""What the benchmark tells every script: the environment of it, read once."""

import json
import os


class Setting:
    """One measurement's database, bucket and table."""

    def __init__(self):
        self.endpoint = os.environ["AWS_ENDPOINT_URL"]
        self.region = os.environ["AWS_REGION"]
        self.access_key = os.environ["AWS_ACCESS_KEY_ID"]
        self.secret_key = os.environ["AWS_SECRET_ACCESS_KEY"]
        self.bucket = os.environ["BENCH_BUCKET"]
        self.prefix = os.environ["BENCH_PREFIX"]
        self.database_url = os.environ["BENCH_DATABASE_URL"]
        self.port = os.environ["BENCH_PORT"]
        self.database = os.environ["BENCH_DATABASE"]
        self.schema = "bench"
        self.table = "t"
        # Of the files' header, the table, and its type there.
        self.columns = [tuple(column) for column in json.loads(os.environ["BENCH_COLUMNS"])]
        self.copy_options = os.environ["BENCH_COPY_OPTIONS"]
        self.one = os.environ["BENCH_ONE"]

    @property
    def texts(self):
        """The header's names of the columns that are text, which guessing would spoil."""
        return [header for header, _, sql_type in self.columns if sql_type == "text"]
