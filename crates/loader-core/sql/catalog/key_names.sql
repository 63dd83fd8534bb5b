-- Foreign keys that Postgres makes for the partitions on either side of another
-- one, and how those of a new key are to be called: as those of the old key. $1 is
-- the old key, $2 the new one, $3 and $4 are the old table and the one that takes
-- its place.
with recursive tree(is_new, oid, conrelid, confrelid, conname) as (
    select oid = $2, oid, conrelid, confrelid, conname
      from pg_catalog.pg_constraint where oid in ($1, $2)
    union all
    select t.is_new, c.oid, c.conrelid, c.confrelid, c.conname
      from tree t join pg_catalog.pg_constraint c on c.conparentid = t.oid
)
select n.nspname::text, r.relname::text, r.oid::oid, made.conname::text, old.conname::text
  from tree made
  join tree old on not old.is_new
   and made.conrelid = case old.conrelid when $3 then $4 else old.conrelid end
   and made.confrelid = case old.confrelid when $3 then $4 else old.confrelid end
  join pg_catalog.pg_class r on r.oid = made.conrelid
  join pg_catalog.pg_namespace n on n.oid = r.relnamespace
 where made.is_new and made.oid <> $2 and made.conname <> old.conname
 order by 1, 2, 4
