-- What public.item has beside everything.sql on PostgreSQL 17 and newer.
grant maintain on public.item to catalog_writer with grant option;
grant maintain on public.item_by_kind to catalog_analyst, catalog_reader;
revoke maintain on public.item from catalog_owner;
