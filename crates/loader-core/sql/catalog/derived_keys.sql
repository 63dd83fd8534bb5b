-- The foreign keys that Postgres has made for the partitions on either side of one.
-- $1 is that one.
with recursive tree(oid, conrelid, confrelid, conname) as (
    select oid, conrelid, confrelid, conname from pg_catalog.pg_constraint where conparentid = $1
    union all
    select c.oid, c.conrelid, c.confrelid, c.conname
      from tree t join pg_catalog.pg_constraint c on c.conparentid = t.oid
)
select n.nspname::text, r.relname::text, rn.nspname::text, referred.relname::text, conname::text
  from tree
  join pg_catalog.pg_class r on r.oid = conrelid
  join pg_catalog.pg_namespace n on n.oid = r.relnamespace
  join pg_catalog.pg_class referred on referred.oid = confrelid
  join pg_catalog.pg_namespace rn on rn.oid = referred.relnamespace
 order by 1, 2, 3, 4, 5
