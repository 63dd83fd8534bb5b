-- What public.event has beside partitioned.sql on PostgreSQL 17 and newer.
alter table public.event
    add column number int generated always as identity (sequence name public."Event identity" start 70 increment 7);
grant maintain on public.event to catalog_writer;
