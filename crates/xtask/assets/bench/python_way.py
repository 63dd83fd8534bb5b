"""The usual way: list, download, and COPY each object through psycopg2."""

import io

import boto3
import psycopg2
from settings import Setting

setting = Setting()
s3 = boto3.client("s3", endpoint_url=setting.endpoint)
connection = psycopg2.connect(setting.database_url)
cursor = connection.cursor()
pages = s3.get_paginator("list_objects_v2").paginate(Bucket=setting.bucket, Prefix=setting.prefix)
for page in pages:
    for found in page.get("Contents", []):
        body = s3.get_object(Bucket=setting.bucket, Key=found["Key"])["Body"].read()
        cursor.copy_expert(
            f"copy {setting.schema}.{setting.table} from stdin with ({setting.copy_options})",
            io.BytesIO(body),
        )
        connection.commit()
connection.close()
