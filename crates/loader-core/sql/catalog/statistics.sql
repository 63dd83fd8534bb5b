-- The extended statistics of a relation. $1 is the relation, $2 the name of another
-- one, as it is written in SQL. `%N` stands for the statistics' name.
select e.oid::oid,
       n.nspname::text,
       e.stxname::text,
       'create statistics %N'
           || substr(left(pg_get_statisticsobjdef(e.oid), -length(after)), length(before) + 1)
           || ' from ' || $2::text,
       starts_with(pg_get_statisticsobjdef(e.oid), before) and right(pg_get_statisticsobjdef(e.oid), length(after)) = after,
       coalesce(e.stxstattarget, -1)::int,
       obj_description(e.oid, 'pg_statistic_ext'),
       quote_ident(pg_get_userbyid(e.stxowner))
  from pg_catalog.pg_statistic_ext e
  join pg_catalog.pg_namespace n on n.oid = e.stxnamespace
  join pg_catalog.pg_class r on r.oid = e.stxrelid
  join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
 cross join lateral (
       select format('CREATE STATISTICS %I.%I', n.nspname, e.stxname) as before,
              format(' FROM %I.%I', rn.nspname, r.relname) as after) as around
 where e.stxrelid = $1
 order by e.stxname
