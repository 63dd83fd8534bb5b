-- What is in the way of exchanging partitions, in words with the way out. $1 are the
-- partitions that are to be replaced.
with above as (
    select distinct a.relid::oid as oid
      from unnest($1::oid[]) as replaced
     cross join pg_partition_ancestors(replaced) as a
     where a.relid <> replaced
)
select string_agg(words, '; ' order by words)
  from (select format('the index %I of %s lacks partitions, and a new partition would get it; attach indexes of all partitions to it, or drop it',
                      i.relname, x.indrelid::regclass)
          from above
          join pg_catalog.pg_index x on x.indrelid = above.oid and not x.indisvalid
          join pg_catalog.pg_class i on i.oid = x.indexrelid
        union all
        select format('the foreign key %I of %s refers to the partitioned table itself; drop it, or set strategy = "merge" in the definition',
                      con.conname, con.conrelid::regclass)
          from above
          join pg_catalog.pg_constraint con on con.confrelid = above.oid and con.contype = 'f' and con.conparentid = 0
         where con.conrelid in (select oid from above)
        union all
        select format('the foreign key %I of %s can be changed by the role %I only; make the loader''s role a member of it, or drop the key',
                      con.conname, con.conrelid::regclass, pg_get_userbyid(c.relowner))
          from above
          join pg_catalog.pg_constraint con on con.confrelid = above.oid and con.contype = 'f' and con.conparentid = 0
          join pg_catalog.pg_class c on c.oid = con.conrelid
         where not pg_has_role(c.relowner, 'usage')
        union all
        select format('the partitions of %s can be changed by the role %I only; make the loader''s role a member of it, or drop the table',
                      above.oid::regclass, pg_get_userbyid(c.relowner))
          from above
          join pg_catalog.pg_class c on c.oid = above.oid
         where not pg_has_role(c.relowner, 'usage')) as unfit (words)
