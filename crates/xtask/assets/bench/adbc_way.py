"""ADBC: pyarrow reads CSV from S3 in parts, and the driver sends them as binary COPY."""

import adbc_driver_postgresql.dbapi
import pyarrow
import pyarrow.csv
import pyarrow.fs
from settings import Setting

setting = Setting()
s3 = pyarrow.fs.S3FileSystem(
    endpoint_override=setting.endpoint.removeprefix("http://"),
    scheme="http",
    access_key=setting.access_key,
    secret_key=setting.secret_key,
    region=setting.region,
)
options = pyarrow.csv.ConvertOptions(
    column_types={name: pyarrow.string() for name in setting.texts},
    strings_can_be_null=True,
    quoted_strings_can_be_null=False,
)
# As many are read in one go as a person would: a file at a time, a block at a time.
files = s3.get_file_info(pyarrow.fs.FileSelector(f"{setting.bucket}/{setting.prefix.rstrip('/')}"))
schema = None
with adbc_driver_postgresql.dbapi.connect(setting.database_url) as connection:
    with connection.cursor() as cursor:
        for file in files:
            with s3.open_input_stream(file.path) as stream:
                if schema:
                    options.column_types = dict(zip(schema.names, schema.types))
                reader = pyarrow.csv.open_csv(
                    stream,
                    convert_options=options,
                    read_options=pyarrow.csv.ReadOptions(block_size=8 << 20),
                )
                cursor.adbc_ingest(
                    setting.table,
                    reader,
                    mode="append" if schema else "create",
                    db_schema_name=setting.schema,
                )
                schema = schema or reader.schema
    connection.commit()
