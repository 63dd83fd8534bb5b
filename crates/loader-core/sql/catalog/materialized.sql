-- How materialized views are made. $1 are the views, $2 is the table that is to be
-- replaced. Read with a search_path in which that table and all the views are
-- found by their bare names, so that a copy can bind to others of those names.
with recursive reaching(oid) as (
    select $2::oid
    union
    select w.ev_class
      from reaching b
      join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = b.oid
                      and d.classid = 'pg_catalog.pg_rewrite'::regclass
      join pg_catalog.pg_rewrite w on w.oid = d.objid
)
select c.oid::oid,
       rtrim(pg_get_viewdef(c.oid), ';'),
       format(' using %I%s%s', am.amname,
              ' with (' || (select string_agg(format('%I = %L', o.option_name, o.option_value), ', ')
                              from pg_options_to_table(c.reloptions) as o) || ')',
              ' tablespace ' || quote_ident(s.spcname)),
       c.relispopulated,
       pg_table_is_visible(c.oid) and pg_table_is_visible($2::oid),
       array(select distinct d.refobjid
               from pg_catalog.pg_rewrite w
               join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
                               and d.refclassid = 'pg_catalog.pg_class'::regclass
              where w.ev_class = c.oid and d.refobjid <> c.oid) as reads,
       -- Between the table and it there is a view, which goes on to read the live
       -- table until the publish.
       exists (select 1
                 from pg_catalog.pg_rewrite w
                 join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
                                 and d.refclassid = 'pg_catalog.pg_class'::regclass
                 join pg_catalog.pg_class v on v.oid = d.refobjid and v.relkind = 'v'
                where w.ev_class = c.oid and v.oid in (select oid from reaching)) as reads_through_view
  from pg_catalog.pg_class c
  left join pg_catalog.pg_am am on am.oid = c.relam
  left join pg_catalog.pg_tablespace s on s.oid = c.reltablespace
 where c.oid = any ($1)
