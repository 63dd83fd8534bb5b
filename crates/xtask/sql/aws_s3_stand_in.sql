-- A local stand-in for the RDS extension `aws_s3`.
--
-- The extension exists only on Amazon RDS and Aurora. This file gives a local
-- Postgres the same schemas, types, functions, result text and error numbers,
-- so that the same loader code runs against it. It is never deployed to AWS.
--
-- What stands in for what:
--   * the extension's HTTP client is `curl`, run by `copy … from program`. The
--     copy is part of the caller's transaction, as on RDS. It needs superuser or
--     `pg_execute_server_program`.
--   * the endpoint and the region of the local buckets are database settings:
--       alter database loader set aws_s3.endpoint_url = 'http://127.0.0.1:4566';
--       alter database loader set aws_s3.region = 'us-east-1';
--   * the functions are plain functions: `pg_extension` has no row for them, but
--     `pg_proc` has, here and on RDS. (`to_regproc` finds neither: the name stands
--     for two functions.)
--
-- Signatures and argument names:
-- https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PostgreSQL.S3Import.Reference.html
--
-- Seen on RDS: the result text, `HTTP 416` for an empty object, `CURL error code`
-- without a route. Not known for certain: the words around 301, 403, 404 and 412,
-- and the SQLSTATE. Callers must match on the number alone.

do $$
begin
    if exists (select from pg_extension where extname in ('aws_s3', 'aws_commons')) then
        raise exception 'this database has the real aws_s3 extension'
            using hint = 'The stand-in is for local databases only.';
    end if;
end
$$;

create schema if not exists aws_commons;
create schema if not exists aws_s3;
create schema if not exists aws_s3_stand_in;

do $$
begin
    if to_regtype('aws_commons._s3_uri_1') is null then
        create type aws_commons._s3_uri_1 as (bucket text, file_path text, region text);
    end if;
    if to_regtype('aws_commons._aws_credentials_1') is null then
        create type aws_commons._aws_credentials_1 as (access_key text, secret_key text, session_token text);
    end if;
end
$$;

create or replace function aws_commons.create_s3_uri(s3_bucket text, s3_key text, s3_region text)
returns aws_commons._s3_uri_1
language sql immutable
as $$ select row(s3_bucket, s3_key, s3_region)::aws_commons._s3_uri_1 $$;

create or replace function aws_commons.create_aws_credentials(
    access_key text, secret_key text, session_token text default null)
returns aws_commons._aws_credentials_1
language sql immutable
as $$ select row(access_key, secret_key, session_token)::aws_commons._aws_credentials_1 $$;

-- Everything outside the unreserved characters of RFC 3986 is escaped byte by
-- byte. The slash stays: it separates the segments of a key.
create or replace function aws_s3_stand_in.url_path(path text)
returns text
language sql immutable strict
as $$
    select coalesce(string_agg(
        case
            when chr(byte) ~ '^[A-Za-z0-9._~/-]$' then chr(byte)
            else '%' || upper(lpad(to_hex(byte), 2, '0'))
        end, '' order by position), '')
    from (
        select position, get_byte(convert_to(path, 'UTF8'), position) as byte
        from generate_series(0, octet_length(convert_to(path, 'UTF8')) - 1) as position
    ) as bytes
    where byte <> 0
$$;

create or replace function aws_s3_stand_in.shell_word(word text)
returns text
language sql immutable strict
as $$ select '''' || replace(word, '''', '''\''''') || '''' $$;

-- The response headers of a HEAD request, the status as `:status` and curl's exit
-- code as `:exit`.
create or replace function aws_s3_stand_in.head(curl text, url text)
returns table (name text, value text)
language plpgsql
as $$
declare
    -- Headers are bytes: LATIN1 accepts them all. CR is cut, as COPY refuses
    -- mixed line ends. The exit code must come out as data, since a pipeline
    -- reports its last program only.
    program constant text := format(
        '{ %s --head %s 2>/dev/null; echo ":exit: $?"; } | tr -d ''\r''',
        curl, aws_s3_stand_in.shell_word(url));
begin
    if to_regclass('pg_temp.aws_s3_response_header') is null then
        create temporary table aws_s3_response_header (line text) on commit delete rows;
    end if;
    delete from pg_temp.aws_s3_response_header;
    execute format(
        'copy pg_temp.aws_s3_response_header from program %L with (format csv, delimiter E''\x02'', quote E''\x01'', encoding ''LATIN1'')',
        program);
    return query
        select
            case when line like 'HTTP/%' then ':status' else lower(split_part(line, ': ', 1)) end,
            case when line like 'HTTP/%' then split_part(line, ' ', 2) else substr(line, strpos(line, ': ') + 2) end
        from pg_temp.aws_s3_response_header
        where line <> '';
    delete from pg_temp.aws_s3_response_header;
end
$$;

create or replace function aws_s3_stand_in.fail_with_status(status int)
returns void
language plpgsql
as $$
begin
    raise exception '%',
        case status
            when 403 then 'HTTP 403. Permission denied. Check bucket or provided credentials as they may no longer be valid.'
            else format('Unable to validate pre-signed URL. Error: HTTP %s. Check your arguments and try again.', status)
        end
        using errcode = 'internal_error';
end
$$;

create or replace function aws_s3_stand_in.fail_with_curl_code(code int)
returns void
language plpgsql
as $$
begin
    if code = 127 then
        raise exception 'the aws_s3 stand-in needs curl, and the database server has none'
            using errcode = 'undefined_file', hint = 'Install curl on the machine that runs Postgres.';
    end if;
    raise exception 'CURL error code: % when attempting to validate pre-signed URL, 1 attempt(s) remaining', code
        using errcode = 'internal_error', hint = 'make sure your instance is able to connect with S3.';
end
$$;

create or replace function aws_s3.table_import_from_s3(
    table_name text,
    column_list text,
    options text,
    bucket text,
    file_path text,
    region text,
    access_key text default null,
    secret_key text default null,
    session_token text default null)
returns text
language plpgsql
as $$
declare
    endpoint constant text := nullif(current_setting('aws_s3.endpoint_url', true), '');
    local_region constant text := nullif(current_setting('aws_s3.region', true), '');
    -- Resolves with the caller's search path, and quotes itself.
    target constant regclass := table_name::regclass;
    curl text := 'curl --silent --path-as-is --globoff --noproxy ''*'' --connect-timeout 5';
    url text;
    headers jsonb;
    status int;
    program text;
    failure text;
    code int;
    imported bigint;
begin
    if endpoint is null or local_region is null then
        raise exception 'the aws_s3 stand-in has no endpoint or no region'
            using hint = 'Set aws_s3.endpoint_url and aws_s3.region with "alter database".';
    end if;
    if coalesce(bucket, '') = '' or coalesce(file_path, '') = '' or coalesce(region, '') = '' then
        raise exception 'bucket, file_path and region must not be empty'
            using errcode = 'invalid_parameter_value';
    end if;
    -- S3 sends a request for another region's bucket elsewhere, and the extension
    -- does not follow. The emulator has every bucket in every region.
    if region <> local_region then
        perform aws_s3_stand_in.fail_with_status(301);
    end if;

    if access_key is not null then
        curl := format('%s --user %s --aws-sigv4 %s', curl,
            aws_s3_stand_in.shell_word(access_key || ':' || coalesce(secret_key, '')),
            aws_s3_stand_in.shell_word(format('aws:amz:%s:s3', region)));
        if session_token is not null then
            curl := format('%s --header %s', curl,
                aws_s3_stand_in.shell_word('x-amz-security-token: ' || session_token));
        end if;
    end if;
    url := rtrim(endpoint, '/') || '/' || aws_s3_stand_in.url_path(bucket || '/' || file_path);

    select jsonb_object_agg(name, value) into headers from aws_s3_stand_in.head(curl, url);
    code := headers ->> ':exit';
    if code <> 0 then
        perform aws_s3_stand_in.fail_with_curl_code(code);
    end if;
    status := headers ->> ':status';
    if status <> 200 then
        perform aws_s3_stand_in.fail_with_status(status);
    end if;
    if coalesce(headers ->> 'content-length', '0')::bigint = 0 then
        perform aws_s3_stand_in.fail_with_status(416);
    end if;

    -- The body goes to the copy, the status to the exit code: 412 becomes 112.
    -- curl's own codes stay below 100.
    program := format(
        'exec 3>&1; status=$(%s --fail %s --header %s --write-out ''%%{stderr}%%{http_code}'' %s 2>&1 >&3); code=$?; '
        'if [ "$code" = 22 ] && [ "$status" -ge 400 ]; then exit $((status - 300)); fi; exit "$code"',
        curl,
        -- Only an object that says so is unpacked, as on RDS.
        case when lower(headers ->> 'content-encoding') = 'gzip' then '--compressed' else '' end,
        aws_s3_stand_in.shell_word('If-Match: ' || (headers ->> 'etag')),
        aws_s3_stand_in.shell_word(url));
    begin
        execute format('copy %s %s from program %L %s',
            target,
            case when coalesce(column_list, '') = '' then '' else '(' || column_list || ')' end,
            program,
            case when coalesce(options, '') = '' then '' else 'with ' || options end);
        get diagnostics imported = row_count;
    exception when external_routine_exception then
        get stacked diagnostics failure = pg_exception_detail;
        code := substring(failure from 'exit code ([0-9]+)');
        if code is null then
            raise;
        elsif code >= 100 and code <> 127 then
            perform aws_s3_stand_in.fail_with_status(code + 300);
        else
            perform aws_s3_stand_in.fail_with_curl_code(code);
        end if;
    end;

    return format('%s rows imported into relation "%s" from file %s of %s bytes',
        imported, table_name, file_path, headers ->> 'content-length');
end
$$;

create or replace function aws_s3.table_import_from_s3(
    table_name text,
    column_list text,
    options text,
    s3_info aws_commons._s3_uri_1,
    credentials aws_commons._aws_credentials_1 default null)
returns text
language sql
as $$
    select aws_s3.table_import_from_s3(
        table_name, column_list, options,
        (s3_info).bucket, (s3_info).file_path, (s3_info).region,
        (credentials).access_key, (credentials).secret_key, (credentials).session_token)
$$;
