"""awswrangler: objects into data frames, in parts, and those into Postgres by inserts."""

import awswrangler
import pg8000
from settings import Setting

setting = Setting()
awswrangler.config.s3_endpoint_url = setting.endpoint
connection = pg8000.connect(
    user="postgres", host="127.0.0.1", port=int(setting.port), database=setting.database
)
frames = awswrangler.s3.read_csv(
    f"s3://{setting.bucket}/{setting.prefix}",
    chunksize=100_000,
    dtype={name: "string" for name in setting.texts},
)
for number, frame in enumerate(frames):
    awswrangler.postgresql.to_sql(
        frame,
        connection,
        schema=setting.schema,
        table=setting.table,
        mode="overwrite" if number == 0 else "append",
        index=False,
        chunksize=1_000,
    )
connection.close()
