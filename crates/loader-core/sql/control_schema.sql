-- The control tables: what ran, what became of every object, what was published.
-- Everything here can be run again.

create schema if not exists loader;
create schema if not exists dataimport;
create schema if not exists databackup;

-- One execution for one table.
create table if not exists loader.run (
    run_id              text primary key,
    table_name          text not null,
    execution_arn       text not null,
    state               text not null default 'preparing'
                        check (state in ('preparing', 'loading', 'published', 'failed')),
    -- Counts the plans; a Lambda that works on an older plan writes nothing.
    attempt             integer not null default 0,
    failed_attempts     integer not null default 0,
    max_attempts        integer not null,
    definition          jsonb,
    -- Null once it is published, dropped, or taken over by a later run.
    staging_table       text,
    resumed_from        text,
    batches             integer,
    objects_listed      bigint,
    objects_to_load     bigint,
    bytes_to_load       bigint,
    objects_loaded      bigint,
    objects_skipped     bigint,
    objects_failed      bigint,
    rows                bigint,
    backup_table        text,
    error_name          text,
    error_message       text,
    failed_state        text,
    started_at          timestamptz not null default clock_timestamp(),
    finished_at         timestamptz,
    notified_at         timestamptz
);

create index if not exists run_table_name_started_at on loader.run (table_name, started_at desc);

-- Who holds a table, and until when. One run per table at a time.
create table if not exists loader.lease (
    table_name          text primary key,
    run_id              text not null,
    acquired_at         timestamptz not null default clock_timestamp(),
    expires_at          timestamptz not null
);

-- The ledger: what became of every listed object. The row of a loaded object is
-- inserted in the transaction that loads its rows: that is exactly-once.
create table if not exists loader.object (
    run_id              text not null,
    key                 text not null,
    etag                text not null,
    version_id          text,
    size_bytes          bigint not null,
    batch               integer,
    attempt             integer not null,
    state               text not null check (state in ('loaded', 'skipped', 'failed')),
    rows                bigint,
    rejects             bigint not null default 0,
    engine              text check (engine in ('aws_s3', 'stream')),
    reason              text,
    error_name          text,
    error_message       text,
    error_line          bigint,
    error_column        text,
    sqlstate            text,
    started_at          timestamptz not null default clock_timestamp(),
    finished_at         timestamptz,
    primary key (run_id, key)
)
-- A row is written twice in one transaction, the second time longer. Where there is room for
-- that on its page, the index is left alone.
with (fillfactor = 40);

-- Rows that could not be loaded, with their place and their text.
create table if not exists loader.rejected_row (
    run_id              text not null,
    key                 text not null,
    etag                text not null,
    line                bigint not null,
    column_name         text,
    sqlstate            text,
    error_message       text not null,
    row_text            text,
    rejected_at         timestamptz not null default clock_timestamp(),
    primary key (run_id, key, line)
);

-- What was published when, newest last.
create table if not exists loader.version (
    table_name          text not null,
    run_id              text not null,
    rows                bigint not null,
    objects             bigint not null,
    backup_table        text,
    published_at        timestamptz not null default clock_timestamp(),
    primary key (table_name, run_id)
);

-- Since 0.2.

alter table loader.run
    add column if not exists kind text not null default 'load' check (kind in ('load', 'rollback')),
    -- The execution that publishes this run together with others.
    add column if not exists group_id text,
    add column if not exists strategy text check (strategy in ('rename', 'partition', 'merge')),
    add column if not exists strategy_reason text,
    -- The plan whose rows have been built and have passed the gates.
    add column if not exists built_attempt integer,
    -- What the gates found.
    add column if not exists gates jsonb;

alter table loader.version
    -- Counts the versions of a table, from 1.
    add column if not exists version bigint,
    add column if not exists strategy text not null default 'rename',
    -- `live`, `kept` (a rollback can bring it back) or `dropped`.
    add column if not exists state text not null default 'dropped' check (state in ('live', 'kept', 'dropped')),
    -- Where a kept version is.
    add column if not exists kept_table text,
    -- When it last became live, by a publish or a rollback.
    add column if not exists live_since timestamptz;

-- Versions from before 0.2: the newest is live, the one before is the backup.
update loader.version as version
   set version = numbered.n,
       state = case when numbered.n = numbered.newest then 'live'
                    when numbered.n = numbered.newest - 1 then 'kept'
                    else 'dropped' end,
       kept_table = case when numbered.n = numbered.newest - 1 then version.table_name end,
       live_since = version.published_at
  from (select table_name, run_id,
               row_number() over (partition by table_name order by published_at) as n,
               count(*) over (partition by table_name) as newest
          from loader.version) as numbered
 where version.version is null
   and (version.table_name, version.run_id) = (numbered.table_name, numbered.run_id);

create unique index if not exists version_table_name_version on loader.version (table_name, version);
create unique index if not exists version_live on loader.version (table_name) where state = 'live';

-- The tables that one execution publishes together.
create table if not exists loader.table_group (
    group_id            text not null,
    table_name          text not null,
    primary key (group_id, table_name)
);

-- Every change of the live version: a publish or a rollback.
create table if not exists loader.version_change (
    table_name          text not null,
    run_id              text not null,
    kind                text not null check (kind in ('publish', 'rollback')),
    from_version        bigint,
    to_version          bigint not null,
    changed_at          timestamptz not null default clock_timestamp(),
    primary key (table_name, run_id)
);

-- Partitions of kept versions that are not attached to their parents yet, all in the
-- schema databackup: that is done after the publish, as it looks at their rows.
create table if not exists loader.kept_partition (
    table_name          text not null,
    partition           text primary key,
    parent              text not null,
    bound               text not null,
    kept_at             timestamptz not null default clock_timestamp()
);

-- Since 0.3: replays.

alter table loader.run
    drop constraint if exists run_kind_check,
    add constraint run_kind_check check (kind in ('load', 'rollback', 'replay')),
    -- The run whose rejected rows a replay has loaded.
    add column if not exists replay_of text;

alter table loader.rejected_row
    -- The replay that has loaded the row, and when; null for as long as it is a reject.
    add column if not exists replayed_by text,
    add column if not exists replayed_at timestamptz,
    -- The last replay that has tried it and was refused.
    add column if not exists tried_by text;

-- Since 0.3.

alter table loader.rejected_row
    -- The record's number in its object, from 1, the header not counted.
    add column if not exists record_number bigint,
    -- Whether row_text is only the beginning of the record.
    add column if not exists row_cut boolean not null default false,
    add column if not exists constraint_name text,
    -- The row's values by column, where the record itself is no longer at hand: a row
    -- whose key another row has was loaded before that was seen.
    add column if not exists row_values jsonb;

alter table loader.object
    -- How the object's records were read, and its header: what the text of a rejected
    -- row means.
    add column if not exists dialect jsonb,
    add column if not exists header jsonb;

-- Since 0.4: big objects are loaded in parts.

alter table loader.object
    drop constraint if exists object_state_check,
    -- `loading`: some of its parts are loaded.
    add constraint object_state_check check (state in ('loaded', 'skipped', 'failed', 'loading'));

-- The ledger of the parts of big objects. The row of a loaded part is inserted in the
-- transaction that loads its rows; its object is loaded when its parts are all of it.
create table if not exists loader.object_part (
    run_id              text not null,
    key                 text not null,
    -- From 0.
    part                integer not null,
    parts               integer not null,
    etag                text not null,
    size_bytes          bigint not null,
    -- The part has the records that begin in these bytes.
    from_byte           bigint not null,
    to_byte             bigint not null,
    batch               integer not null,
    attempt             integer not null,
    state               text not null check (state in ('loaded', 'failed')),
    -- Where its first record was taken to begin, and where the first one behind it does.
    first_at            bigint,
    end_at              bigint,
    -- Lines of the object's header, and lines and records of the part.
    head_lines          bigint,
    lines               bigint,
    rows                bigint,
    rejects             bigint not null default 0,
    reason              text,
    dialect             jsonb,
    header              jsonb,
    -- Whether the failure stands wherever the part begins.
    is_certain          boolean,
    error_name          text,
    error_message       text,
    error_line          bigint,
    error_column        text,
    sqlstate            text,
    started_at          timestamptz not null default clock_timestamp(),
    finished_at         timestamptz,
    primary key (run_id, key, part)
);

-- Rejects of parts, with lines and records counted from the beginning of the part: they
-- become rejects of the object when its parts are all of it.
create table if not exists loader.part_reject (
    run_id              text not null,
    key                 text not null,
    part                integer not null,
    etag                text not null,
    line                bigint not null,
    record_number       bigint,
    column_name         text,
    constraint_name     text,
    sqlstate            text,
    error_message       text not null,
    row_text            text,
    row_cut             boolean not null default false,
    primary key (run_id, key, part, line)
);

-- Big objects of a run that are loaded as a whole all the same, and why.
create table if not exists loader.unsplit (
    run_id              text not null,
    key                 text not null,
    etag                text not null,
    reason              text not null,
    primary key (run_id, key)
);

-- Since 0.4: the pace of a run.

-- How many sessions of a run may load at the moment, and what that was decided from. A
-- session loads a group of objects while it holds the advisory lock (hash of the run,
-- slot) of one of the slots below `allowed`.
create table if not exists loader.pace (
    run_id              text primary key,
    attempt             integer not null,
    -- What the plan found affordable; `allowed` does not pass it.
    most                integer not null check (most >= 1),
    allowed             integer not null check (allowed between 1 and most),
    reason              text not null,
    changed_at          timestamptz not null default clock_timestamp(),
    -- Counts the decisions; of two sessions that decide at once one wins.
    decisions           bigint not null default 0,
    -- What the decisions remember: MB/s by the number of sessions, and when to try again.
    learned             jsonb,
    -- The whole run so far.
    groups              bigint not null default 0,
    bytes               bigint not null default 0,
    busy_seconds        double precision not null default 0,
    -- How long sessions have waited for their turns.
    waited_seconds      double precision not null default 0,
    -- Since the last decision; groups that were begun before the last change are left out.
    seen_groups         integer not null default 0,
    seen_bytes          bigint not null default 0,
    seen_seconds        double precision not null default 0,
    seen_sessions       double precision not null default 0,
    seen_lock_waits     integer not null default 0,
    seen_replica_lag    double precision
);

-- Every change of a run's pace with its reason, the plan's number first.
create table if not exists loader.pace_change (
    run_id              text not null,
    attempt             integer not null,
    decision            bigint not null,
    changed_at          timestamptz not null default clock_timestamp(),
    sessions_before     integer,
    sessions            integer not null,
    reason              text not null,
    -- What was seen since the decision before, with the sessions that were at work.
    groups              integer,
    mb_per_second       double precision,
    sessions_at_work    double precision,
    lock_waits          integer,
    replica_lag_seconds double precision,
    primary key (run_id, attempt, decision)
);
