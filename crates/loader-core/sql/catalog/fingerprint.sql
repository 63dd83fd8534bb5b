-- What changes when somebody hangs something on a table or takes it off: cheap
-- enough to be read while readers wait. $1 is the table.
select md5(concat_ws(' ',
    (select concat_ws(' ', c.xmin, c.relacl::text) from pg_catalog.pg_class c where c.oid = $1),
    (select string_agg(concat_ws(',', d.classid, d.objid, d.objsubid, d.refobjsubid), ' ' order by d.classid, d.objid, d.objsubid, d.refobjsubid)
       from pg_catalog.pg_depend d
      where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = $1),
    (select string_agg(concat_ws(',', a.xmin, a.attnum), ' ' order by a.attnum)
       from pg_catalog.pg_attribute a where a.attrelid = $1),
    (select string_agg(concat_ws(',', t.xmin, t.oid), ' ' order by t.oid)
       from pg_catalog.pg_trigger t where t.tgrelid = $1 and not t.tgisinternal),
    (select string_agg(concat_ws(',', p.xmin, p.oid), ' ' order by p.oid)
       from pg_catalog.pg_policy p where p.polrelid = $1)))
