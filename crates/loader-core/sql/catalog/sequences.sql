-- The sequences that fill columns of a relation: identities, serials, and others
-- that a default draws from. $1 is the relation.
select s.oid::oid,
       n.nspname::text,
       s.relname::text,
       a.attname::text,
       d.deptype = 'i' as is_identity,
       d.deptype = 'a' as is_owned,
       q.seqincrement < 0 as descends,
       t.typcategory = 'N' as is_number
  from pg_catalog.pg_depend d
  join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S'
  join pg_catalog.pg_sequence q on q.seqrelid = s.oid
  join pg_catalog.pg_namespace n on n.oid = s.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
  join pg_catalog.pg_type t on t.oid = a.atttypid
 where d.classid = 'pg_catalog.pg_class'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass
   and d.refobjid = $1 and d.refobjsubid > 0 and d.deptype in ('a', 'i')
union
select s.oid, n.nspname, s.relname, a.attname, false, false, q.seqincrement < 0, t.typcategory = 'N'
  from pg_catalog.pg_attrdef ad
  join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_attrdef'::regclass and d.objid = ad.oid
   and d.refclassid = 'pg_catalog.pg_class'::regclass
  join pg_catalog.pg_class s on s.oid = d.refobjid and s.relkind = 'S'
  join pg_catalog.pg_sequence q on q.seqrelid = s.oid
  join pg_catalog.pg_namespace n on n.oid = s.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = ad.adrelid and a.attnum = ad.adnum
  join pg_catalog.pg_type t on t.oid = a.atttypid
 where ad.adrelid = $1
   and not exists (select 1 from pg_catalog.pg_depend own
                    where own.classid = 'pg_catalog.pg_class'::regclass and own.objid = s.oid
                      and own.refobjid = $1 and own.refobjsubid > 0 and own.deptype in ('a', 'i'))
 order by 3
